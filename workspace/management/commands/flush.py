from typing import Any

from django.apps import apps
from django.core.management.commands import flush
from django.db import connection
from psycopg import sql


class Command(flush.Command):
    """Django's flush, for a database with tables that Django did not make.

    Without it partitioned tables would keep their rows, and the ledgers would refuse.
    """

    def handle(self, **options: Any) -> None:
        options["allow_cascade"] = True
        with connection.cursor() as cursor:
            cursor.execute("SET regulars.flush = 'on'")
        try:
            self._empty(**options)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET regulars.flush")

    def _empty(self, **options: Any) -> None:
        super().handle(**options)
        tables = [model._meta.db_table for model in apps.get_models() if not model._meta.managed]
        if tables:
            names = sql.SQL(", ").join(map(sql.Identifier, tables))
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))

"""The embedded PostgreSQL and Valkey, and the supervisor of `make run`. Standard library only.

Modules here import each other relatively: a keeper runs as `embedded.keeper`, with config/ on its
path, so that it does not load the Celery application that `config` exports.
"""

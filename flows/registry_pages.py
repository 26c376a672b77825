"""What the registry holds, printed for people: models, versions and decisions.

Responsible for showing every version whole, also in 80 columns. Not responsible for the terminal
(`console`).
"""

from collections.abc import Mapping
from typing import Any

from flows import console
from tasks.core.units import unit_of


def print_models(root: str, models: Mapping[str, Any], problems: Mapping[str, str]) -> None:
    """Print each model's champion and what waits; in 80 columns no version is cut."""
    for problem in problems.values():
        console.print_error(problem)
    if not models and not problems:
        return console.out.print(
            f"{root}: no model yet; run `perennial retrain MODEL`", soft_wrap=True
        )
    table = console.new_table("model", "champion", "versions", "waits for a decision", whole=(1, 3))
    for name, found in models.items():
        waiting = "\n".join(found["waiting"]) or "–"
        table.add_row(name, found["champion"] or "–", str(len(found["candidates"])), waiting)
    console.out.print(root, soft_wrap=True)
    console.out.print(table)


def print_history(found: dict[str, Any], proofs: Mapping[str, str]) -> None:
    """Print versions and decisions, each in lines of its own."""
    console.print_title(f"{found['model']}: versions")
    for each in found["versions"]:
        against = f", against {each['champion']['version']}" if each["champion"] else ""
        console.out.print(f"{each['version']}  {each['verdict']}{against}", soft_wrap=True)
        metrics = ", ".join(
            f"{metric} {value:.4f}{unit_of(metric, each.get('unit'))}"
            for metric, value in each["metrics"]["holdout"].items()
        )
        console.out.print(f"  {metrics}")
        if each["version"] in proofs:
            console.out.print(f"  proof: {proofs[each['version']]}", soft_wrap=True)
    console.print_title(
        f"{found['model']}: decisions (chain verified)" if found["ledger"] else "no decision yet"
    )
    for entry in found["ledger"]:
        action = entry["action"] + (" (override)" if entry["override"] else "")
        number, time = str(entry["number"]), entry["time"][:19]
        console.out.print(f"{number:>3}  {action:<9}  {entry['version']}  {time}", soft_wrap=True)
        reason = f": {entry['reason']}" if entry["reason"] else ""
        console.out.print(
            f"     by {entry['approver']} (as {entry['os_user']}){reason}", soft_wrap=True
        )

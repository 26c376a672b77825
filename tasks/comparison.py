"""The page that sets policies side by side. stub"""

from tasks.replay import Replay


def draw_comparison(replay: Replay) -> dict[str, str]:
    return {"report.html": "", "report.md": ""}

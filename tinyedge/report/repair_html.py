"""The ladder of ``tinyedge repair`` as one HTML page that opens offline: no script, no request, all text escaped."""

from __future__ import annotations

from markupsafe import Markup

from tinyedge.report.html import content_policy, environment, part
from tinyedge.report.repair import Repair
from tinyedge.report.repair_rows import facts, legend, lines, remarks, state, titles, worse


def render(found: Repair) -> str:
    """The page."""
    style = part("report.css") + part("repair.css")
    every = list(range(len(found.trials)))
    return (
        environment()
        .get_template("repair.html")
        .render(
            found=found,
            before=found.before,
            result=found.result,
            facts=facts(found),
            remarks=remarks(found),
            steps=[(i, found.trials[i], state(found, i), worse(found.trials[i])) for i in every[1:]],
            titles=titles(found, every),
            lines=lines(found, every),
            legend=legend(),
            style=Markup(style),  # noqa: S704  # files of this package
            policy=content_policy(style),
        )
    )

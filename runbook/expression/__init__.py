"""Templates and expressions: the two places where a playbook may calculate.

Owns what they mean, what they may not do, and what an absent value does to them. Leaves to others which names
there are (`engine`), where in a file a text stands (`loader`), and whether a secret is welcome in some place.
"""

from runbook.expression.evaluate import Expression, compile_expression
from runbook.expression.name import check_names, spell
from runbook.expression.node import Path
from runbook.expression.perhost import PerHost
from runbook.expression.template import is_template, names_of, names_of_tree, render, render_tree

__all__ = [
    "Expression",
    "Path",
    "PerHost",
    "check_names",
    "compile_expression",
    "is_template",
    "names_of",
    "names_of_tree",
    "render",
    "render_tree",
    "spell",
]

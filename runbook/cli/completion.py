"""Completion of words in a shell: static scripts, and the two lists that change, playbooks and runs.

Imported for a word at a prompt, so it imports nothing that costs: the table below says what click says, and a test
holds the two together.
"""

import os
import re
from collections.abc import Iterator

SHELLS = ("bash", "zsh", "fish")

COMMON = ("--output", "--help")
VALUES = ("--set", "--vars-file", "--inventory", "--limit", "--ssh-config")
GOING = ("--on-failure", "--take-over")
ANSWERS = ("--approve", "--answers")

OPTIONS: dict[str, tuple[str, ...]] = {
    "open": (*VALUES, "--incident"),
    "list": ("--for",),
    "show": (*VALUES, "--explain"),
    "doctor": VALUES,
    "rehearse": (*VALUES, *ANSWERS, "--run-reads"),
    "run": (*VALUES, *GOING, "--parallel", "--incident"),
    "replay": (*VALUES, *ANSWERS, *GOING, "--parallel", "--incident"),
    "exec": ("--on", "--effect", "--timeout", "--sudo", "--inventory", "--limit", "--ssh-config", "--incident"),
    "resume": ("--failed-hosts", *ANSWERS, *GOING, "--ssh-config", "--unattended"),
    "undo": ("--reason", "--take-over", "--ssh-config", "--unattended"),
    "decide": ("--reason", "--set", "--typed"),
    "pause": ("--reason",),
    "cancel": ("--reason",),
    "note": ("--step",),
    "rate": ("--reason",),
    "watch": (),
    "handover": ("--to", "--reason"),
    "adopt": ("--on", "--inventory", "--playbook", "--accept", "--reason", "--ssh-config"),
    "audit": (),
    "audit list": ("--open",),
    "audit show": ("--with-output",),
    "audit verify": (),
    "audit report": ("--to",),
    "new": ("--folder",),
    "validate": ("--trust",),
    "schema": (),
    "demo": ("--dashboard", "--keep", "--list", "--once", "--plain", "--unattended", "--stop"),
    "completion": (),
}
"""The options of every command, without the common ones."""

TAKES: dict[str, str] = {
    **dict.fromkeys(("open", "show", "doctor", "rehearse", "run"), "playbooks"),
    "replay": "playbooks runs",
    **dict.fromkeys(("resume", "undo", "decide", "pause", "cancel", "note", "rate", "watch", "handover"), "runs"),
    **dict.fromkeys(("audit show", "audit verify", "audit report"), "runs"),
}
"""Of what the first argument of a command is one."""

OF_FIRST: dict[str, tuple[str, tuple[str, ...]]] = {
    "--set": ("params", ("open", "show", "doctor", "rehearse", "run", "replay")),
    "--approve": ("gates", ("rehearse", "replay", "resume")),
}
"""Options whose value is a word of the playbook, or run, that the first argument names; and where that is so."""

WORDS: dict[str, str] = {"completion": " ".join(SHELLS)}
"""Fixed words that a command takes."""


def commands() -> list[str]:
    """Return the commands of the first level."""
    return [name for name in OPTIONS if " " not in name]


def candidates(kind: str) -> Iterator[str]:
    """Yield the ids that the word at the prompt may become: `playbooks` or `runs`; nothing for another kind."""
    if kind == "playbooks":
        yield from sorted(set(_playbooks()))
    elif kind == "runs":
        yield from sorted(_names(os.path.join(_state(), "runs")), reverse=True)


def _playbooks() -> Iterator[str]:
    package = os.path.dirname(os.path.dirname(__file__))
    built_in = (os.path.join(package, "playbooks"), os.path.join(os.path.dirname(package), "playbooks"))
    for folder in ("playbooks", os.path.join(_home("XDG_CONFIG_HOME", ".config"), "runbook", "playbooks"), *built_in):
        for name in _names(folder):
            stem, ending = os.path.splitext(name)
            if ending in (".yaml", ".yml") and re.fullmatch(r"[a-z][a-z0-9_-]*", stem):
                yield stem


def _names(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)]
    except OSError:
        return []


def _state() -> str:
    return os.path.join(_home("XDG_STATE_HOME", ".local/state"), "runbook")


def _home(variable: str, default: str) -> str:
    given = os.environ.get(variable, "")
    return given if given.startswith("/") else os.path.join(os.path.expanduser("~"), default)


def script(shell: str) -> str:
    """Return the completion script of a shell."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()


def _bash() -> str:
    return f"""\
_runbook() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[1]}} first=2 words= files= known=
    if [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W "{" ".join(commands())} --help --version --output" -- "$word"))
        return
    fi
    if [[ $command == audit ]]; then
        if [[ $COMP_CWORD -eq 2 ]]; then
            COMPREPLY=($(compgen -W "{_audit()}" -- "$word"))
            return
        fi
        command="audit ${{COMP_WORDS[2]}}" first=3
    fi
    case ${{COMP_WORDS[COMP_CWORD-1]}} in
        --output) words="text json ndjson" ;;
        --on-failure) words="stop undo" ;;
        --effect) words="read change" ;;
{_bash_of_first()}        --vars-file | --inventory | --answers | --trust | --to | --folder | --stop) files=1 ;;
    esac
    if [[ -z $words && -z $files && -z $known ]]; then
        if [[ $word == -* ]]; then
            case $command in
{_cases(12)}            esac
        elif [[ $COMP_CWORD -eq $first ]]; then
            case $command in
{_bash_takes()}                *) files=1 ;;
            esac
        else
            files=1
        fi
    fi
    if [[ -n $files ]]; then
        COMPREPLY=($(compgen -f -- "$word"))
    else
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    fi
}}
complete -o filenames -F _runbook runbook
"""


def _audit() -> str:
    return " ".join(name.removeprefix("audit ") for name in OPTIONS if name.startswith("audit "))


def _cases(indent: int) -> str:
    space = " " * (indent + 4)
    return "".join(
        f'{space}"{name}") words="{" ".join((*options, *COMMON))}" ;;\n' for name, options in OPTIONS.items()
    )


def _bash_takes() -> str:
    space = " " * 16
    lines = []
    for name, kinds in TAKES.items():
        words = " ".join(f"$(runbook __complete {kind} 2>/dev/null)" for kind in kinds.split())
        lines.append(f'{space}"{name}") words="{words}" ;;\n')
    lines += [f'{space}"{name}") words="{words}" ;;\n' for name, words in WORDS.items()]
    return "".join(lines)


_FIRST_WORD = "${COMP_WORDS[$first]}"
"""What stands first behind the command: a playbook or a run."""


def _bash_of_first() -> str:
    lines = []
    for option, (kind, names) in OF_FIRST.items():
        words = f'known=1 words="$(runbook __complete {kind} "{_FIRST_WORD}" 2>/dev/null)"'
        # The value is still to be typed.
        more = "; compopt -o nospace 2>/dev/null" if kind == "params" else ""
        lines.append(f"        {option}) case $command in {' | '.join(names)}) {words}{more} ;; esac ;;\n")
    return "".join(lines)


def _zsh() -> str:
    # The functions of bash serve zsh too; they are small, and one script is one truth.
    return (
        "#compdef runbook\nautoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n" + _bash()
    )


def _fish_value(command: str, option: str) -> str:
    kind, names = OF_FIRST.get(option, ("", ()))
    if command not in names:
        return ""
    return f" -x -a '(runbook __complete {kind} (commandline -opc)[3] 2>/dev/null)'"


def _fish() -> str:
    lines = ["complete -c runbook -f"]
    first = "__fish_use_subcommand"
    lines += [f"complete -c runbook -n {first} -a {name}" for name in commands()]
    lines.append("complete -c runbook -l output -x -a 'text json ndjson'")
    lines.append("complete -c runbook -l help")
    inside = "__fish_seen_subcommand_from"
    for name, options in OPTIONS.items():
        seen = " && ".join(f"{inside} {word}" for word in name.split())
        lines += [f"complete -c runbook -n '{seen}' -l {option[2:]}{_fish_value(name, option)}" for option in options]
        for kind in TAKES.get(name, "").split():
            lines.append(f"complete -c runbook -n '{seen}' -a '(runbook __complete {kind} 2>/dev/null)'")
        if name in WORDS:
            lines.append(f"complete -c runbook -n '{seen}' -a '{WORDS[name]}'")
    lines.append(f"complete -c runbook -n '{inside} audit' -a '{_audit()}'")
    return "\n".join(lines) + "\n"

"""Images, pipelines and workflows that run what somebody else may change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Check, Hit, Project, Source
from flowrunner.wire.findings import Severity

INJECTION = Rule(
    "workflow-injection",
    Severity.MAJOR,
    "security",
    "Anybody can choose this text, and it is pasted into the script before the shell reads it."
    " Pass it through `env:` and quote the variable.",
)
FOREIGN_CODE = Rule(
    "workflow-runs-foreign-code",
    Severity.MAJOR,
    "security",
    "pull_request_target has the secrets of the project, and this checks out the code of whoever"
    " opened the request.",
)
BRANCH = Rule(
    "action-on-branch",
    Severity.MINOR,
    "security",
    "Whoever can push to that branch runs code here, with this workflow's rights.",
)
PIPED = Rule(
    "download-into-shell",
    Severity.MINOR,
    "security",
    "What the server sends is run unseen and unchecked, and may differ tomorrow.",
)
LATEST = Rule(
    "image-without-version",
    Severity.NOTE,
    "operations",
    "The same file builds something else next month.",
)
PRIVILEGED = Rule(
    "privileged-container",
    Severity.MINOR,
    "operations",
    "Who gets into the container has the host.",
)

_ANYBODYS = re.compile(
    r"\$\{\{[^}]*\bgithub\.(?:head_ref|event\.(?:issue\.(?:title|body)|comment\.body"
    r"|pull_request\.(?:title|body|head\.(?:ref|label))|review(?:_comment)?\.body"
    r"|discussion\.(?:title|body)|head_commit\.(?:message|author\.(?:name|email))))[^}]*\}\}"
)
_HEAD = re.compile(r"\bref:\s*['\"]?\$\{\{\s*github\.(?:head_ref|event\.pull_request\.head\.)")
_USES = re.compile(r"^\s*(?:-\s+)?uses:\s*['\"]?([\w.-]+/[^@\s'\"]+)@(main|master|develop|HEAD)\b")
_SCRIPT = re.compile(r"^(\s*(?:-\s+)?)(?:run|script):\s*(.*)$")
_PIPED = re.compile(r"\b(?:curl|wget)\b[^|;&#\n]*\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:ba|z|da)?sh\b")
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_PRIVILEGED = re.compile(r"^\s*privileged:\s*true\s*(?:#.*)?$")


def find_injections(source: Source, _project: Project) -> Iterator[Hit]:
    """Look only into `run:` and `script:`; elsewhere the value is passed on, not run."""
    deeper = -1
    for number, line in enumerate(source.lines, start=1):
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent <= deeper:
            deeper = -1
        script = _SCRIPT.match(line)
        if script:
            deeper = len(script[1]) if script[2].startswith(("|", ">")) else -1
        if (script or deeper >= 0) and (found := _ANYBODYS.search(line)):
            yield Hit(INJECTION, number, f"{found[0]} is pasted into a script")


def find_foreign_code(source: Source, _project: Project) -> Iterator[Hit]:
    if "pull_request_target" not in source.text:
        return
    for number, line in enumerate(source.lines, start=1):
        if _HEAD.search(line):
            yield Hit(FOREIGN_CODE, number, "A foreign pull request is checked out with secrets")


def find_branches(source: Source, _project: Project) -> Iterator[Hit]:
    for number, line in enumerate(source.lines, start=1):
        if found := _USES.match(line):
            yield Hit(BRANCH, number, f"{found[1]} is taken from the branch {found[2]}")


def find_piped_downloads(source: Source, _project: Project) -> Iterator[Hit]:
    for number, line in enumerate(source.lines, start=1):
        if not line.lstrip().startswith(("#", "echo", "printf")) and _PIPED.search(line):
            yield Hit(PIPED, number, "A download is run by a shell")


def find_loose_images(source: Source, _project: Project) -> Iterator[Hit]:
    stages: set[str] = {"scratch"}
    for number, line in enumerate(source.lines, start=1):
        found = _FROM.match(line)
        if found is None:
            continue
        image = found[1].lower()
        tag = image.rpartition("/")[2].partition(":")[2]
        loose = "@" not in image and "$" not in image and image not in stages
        if loose and tag in {"", "latest"}:
            yield Hit(LATEST, number, f"The image {found[1]} has no version")
        stages.add((found[2] or "").lower())


def find_privileged(source: Source, _project: Project) -> Iterator[Hit]:
    for number, line in enumerate(source.lines, start=1):
        if _PRIVILEGED.match(line):
            yield Hit(PRIVILEGED, number, "The container is privileged")


def _is_workflow(source: Source) -> bool:
    return source.path.startswith(".github/workflows/") and source.language == "yaml"


def _is_script(source: Source) -> bool:
    scripts = {"shell", "dockerfile", "make"}
    return (source.language in scripts or _is_workflow(source)) and not source.is_test


def _is_compose(source: Source) -> bool:
    name = source.path.rpartition("/")[2]
    return source.language == "yaml" and "compose" in name and not source.is_test


INJECTIONS = Check("workflow injections", _is_workflow, find_injections)
FOREIGN = Check("foreign code in workflows", _is_workflow, find_foreign_code)
BRANCHES = Check("actions on branches", _is_workflow, find_branches)
DOWNLOADS = Check("downloads run by a shell", _is_script, find_piped_downloads)
IMAGES = Check("images", lambda source: source.language == "dockerfile", find_loose_images)
PRIVILEGES = Check("privileged containers", _is_compose, find_privileged)

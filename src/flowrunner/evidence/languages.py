"""What kind of file a path names: its language, and whether it is source, test or prose."""

from __future__ import annotations

from pathlib import PurePosixPath

_BY_SUFFIX = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".mjs": "javascript",
    ".cjs": "javascript", ".jsx": "javascript", ".ts": "typescript", ".tsx": "typescript",
    ".go": "go", ".rs": "rust", ".java": "java", ".kt": "kotlin", ".scala": "scala",
    ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".cxx": "cpp", ".hpp": "cpp",
    ".cs": "csharp", ".rb": "ruby", ".php": "php", ".swift": "swift", ".lua": "lua",
    ".sh": "shell", ".bash": "shell", ".zsh": "shell", ".ps1": "powershell", ".sql": "sql",
    ".ex": "elixir", ".exs": "elixir", ".erl": "erlang", ".hs": "haskell", ".clj": "clojure",
    ".html": "html", ".css": "css", ".scss": "css", ".vue": "vue", ".svelte": "svelte",
    ".md": "markdown", ".markdown": "markdown", ".rst": "rst", ".adoc": "asciidoc",
    ".txt": "text", ".json": "json", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml",
    ".ini": "ini", ".cfg": "ini", ".conf": "ini", ".env": "ini", ".xml": "xml",
    ".tf": "terraform", ".proto": "protobuf", ".lock": "lock",
}  # fmt: skip
_BY_NAME = {
    "dockerfile": "dockerfile", "containerfile": "dockerfile", "makefile": "make",
    "gnumakefile": "make", "jenkinsfile": "groovy", "procfile": "ini", "readme": "text",
    "license": "text", "changelog": "text", "package-lock.json": "lock", "yarn.lock": "lock",
    "pnpm-lock.yaml": "lock", "go.sum": "lock",
}  # fmt: skip
_NOT_CODE = frozenset(
    {"markdown", "rst", "asciidoc", "text", "json", "toml", "yaml", "ini", "xml", "lock", "other"}
)
_PROSE = frozenset({"markdown", "rst", "asciidoc", "text"})
_DEPLOYED = frozenset({"dockerfile", "make", "groovy", "terraform", "html", "css"})
_TEST_FOLDERS = frozenset(
    {"t", "test", "tests", "testing", "__tests__", "spec", "specs", "testdata"}
)
_TEST_ENDS = ("_test", ".test", ".spec", "_spec")
_NOT_OURS = frozenset({"node_modules", "vendor", "vendored", "_vendor", "third_party"})
_GENERATED_ENDS = (".min.js", ".min.css", "_pb2.py", "_pb2_grpc.py", ".pb.go", ".map")


def language_of(path: str) -> str:
    """Return a lower-case name, `other` for what is not known."""
    place = PurePosixPath(path)
    name = place.name.lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.startswith(("dockerfile.", "containerfile.")):
        return "dockerfile"
    return _BY_SUFFIX.get(place.suffix.lower(), "other")


def is_test(path: str) -> bool:
    """Judge by folder and by name, as the usual test runners do."""
    place = PurePosixPath(path)
    folders = {part.lower() for part in place.parts[:-1]}
    stem = place.name.lower().partition(".")[0] if place.suffix == ".py" else place.stem.lower()
    named = stem.startswith("test_") or stem == "conftest" or stem.endswith(_TEST_ENDS)
    return named or bool(folders & _TEST_FOLDERS)


def is_docs(path: str) -> bool:
    return language_of(path) in _PROSE and not _is_requirements(path)


def is_generated(path: str) -> bool:
    """Return whether a program wrote the file, or another project did."""
    place = PurePosixPath(path)
    foreign = not _NOT_OURS.isdisjoint(part.lower() for part in place.parts[:-1])
    return foreign or place.name.endswith(_GENERATED_ENDS) or language_of(path) == "lock"


def is_source(path: str) -> bool:
    """Return whether the file is program text of the project itself, tests aside."""
    language = language_of(path)
    code = language not in _NOT_CODE and language not in _DEPLOYED
    return code and not is_test(path) and not is_generated(path)


def _is_requirements(path: str) -> bool:
    return PurePosixPath(path).name.lower().startswith(("requirements", "constraints"))

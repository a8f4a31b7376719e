"""docs/install.md names files that are made, and what it shows can be run."""

import re

import action
from common import CARGO, NATIVE, ROOT, VERSION, fail, frees, run, same, say

DOCUMENT = ROOT / "docs" / "install.md"


def test(made, archives, work):
    say("docs/install.md")
    text = DOCUMENT.read_text()
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for language, block in blocks:
        if language == "sh":
            run("bash", "-n", "-c", block)
    there = {path.name for folder in [made, archives] for path in folder.iterdir()}
    for name in re.findall(r"kill[-_]port[-_]\d[\w.-]*\.(?:deb|rpm|apk|zst|gz|zip|json)", text):
        if name not in there:
            fail(f"docs/install.md names {name}, which is not made: {sorted(there)}")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    works = {"From a clone", "Many machines", "The static command", "What was tried"}
    for section in sections:
        title = section.splitlines()[0]
        same("Not yet published" in section, title not in works, f"docs/install.md says of {title} whether it is published")
    (example,) = [block for language, block in blocks if language == "yaml"]
    inputs = set(re.findall(r"^ {10}(\w+):", example, re.MULTILINE))
    known = set(re.findall(r"^  (\w+):$", (ROOT / "action.yml").read_text().split("\nruns:")[0], re.MULTILINE))
    same(inputs - known, set(), "inputs in docs/install.md that the action doesn't have")
    same(set(re.findall(r"^\| `(\w+)` \|", text.split("## Many machines")[0], re.MULTILINE)), known, "the inputs in docs/install.md")
    same(f"uses: js0-site/kill_port@v{VERSION}" in example, True, "the example takes this version")
    (archive,) = [block for language, block in blocks if "SHA256SUMS" in block]
    same(f"version={VERSION} target={NATIVE}\nfrom={CARGO['repository']}/releases/download/v$version\n" in archive, True, "where the archive is")
    home = work / "documents"
    home.mkdir()
    with action.served(archives) as address:
        script = re.sub(r"^from=.*$", f"from={address}", archive, flags=re.MULTILINE)
        none = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
        run("bash", "-e", "-c", script, env={"HOME": str(home)} | none, cwd=home)
    frees(home / ".local" / "bin" / "kill_port", home)

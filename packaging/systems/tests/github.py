"""What is in .github, and the action, as far as schemas and a linter see."""

import re
import tomllib

from common import CARGO, ROOT, fail, has, run, say, skip

FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"


def test(tools):
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    if "check-jsonschema" in tools:
        say(".github: schemas")
        for schema, files in {
            "github-workflows": workflows,
            "github-actions": [ROOT / "action.yml"],
            "github-issue-forms": [path for path in FORMS.glob("*.yml") if path.name != "config.yml"],
            "github-issue-config": [FORMS / "config.yml"],
            "dependabot": [ROOT / ".github" / "dependabot.yml"],
        }.items():
            run(tools["check-jsonschema"], "--builtin-schema", f"vendor.{schema}", *files)
    else:
        skip("the schemas of .github, since check-jsonschema could not be fetched")
    if "zizmor" in tools:
        say(".github: zizmor")
        run(tools["zizmor"], "--offline", "--no-progress", "--color=never", *workflows, ROOT / "action.yml", ROOT / ".github" / "dependabot.yml")
    else:
        skip("zizmor, which could not be fetched")
    for path in workflows:
        for used in re.findall(r"uses: (\S+(?: # \S+)?)", path.read_text()):
            if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used):
                fail(f"{path.name} uses {used}, which is not a commit with its version")
    has((FORMS / "bug.yml").read_text(), "kill_port --why --json PORT", "the form for bugs")

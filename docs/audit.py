"""`make audit`: look the locked packages up in the public list of vulnerabilities, with pip-audit.

pip-audit passes over a package that the list does not answer for, and then finds "no known vulnerabilities";
where it cannot reach the list, or cannot start, it ends without an answer. Here each is one line and status 2.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path("requirements.lock")
OPTIONS = ("--requirement", str(LOCK), "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off")


def audit(pip_audit: str) -> int:
    """Run pip-audit on the lock, print what it found; return 0 (nothing), 1 (something) or 2 (not looked up)."""
    try:
        done = subprocess.run([pip_audit, *OPTIONS], capture_output=True, text=True, check=False)
    except OSError as error:
        return _no_answer(f"{pip_audit}: {error.strerror}")
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        said = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        return _no_answer(said[-1])
    skipped = [package for package in packages if "skip_reason" in package]
    found = [(package, each) for package in packages for each in package.get("vulns", [])]
    for package, each in found:
        fixed = ", ".join(each["fix_versions"]) or "no version yet"
        print(f"audit: {package['name']} {package['version']}: {each['id']}, mended in {fixed}")
    if skipped:
        one = skipped[0]
        print(
            f"audit: {len(skipped)} of {len(packages)} packages could not be looked up, {one['name']} among them "
            f"({one['skip_reason']}); run it where the public package index itself is reached"
        )
    if not found and not skipped:
        print(f"audit: no known vulnerability in {len(packages)} packages of {LOCK}")
    return 1 if found else 2 if skipped else 0


def _no_answer(why: str) -> int:
    print(f"audit: pip-audit gave no answer ({why}); nothing was looked up")
    return 2


if __name__ == "__main__":
    sys.exit(audit(sys.argv[1]))

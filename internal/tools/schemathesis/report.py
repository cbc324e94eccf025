"""Reads Schemathesis' report of a run, prints its figures, and adds them to the report of `make test`.

report.py FILE: fails when anything failed, or when a phase or an operation was left out."""

import json
import os
import sys

with open(sys.argv[1]) as file:
    run = json.load(file)
cases, phases, operations = run["test_cases"], run["phases"] or {}, run["operations"] or {}
failures = cases["unique_failures"] + cases["errored"] + len(run["errors"])
omitted = [name for name, phase in phases.items() if phase["status"] == "skip"]
untested = operations.get("selected", 1) - operations.get("tested", 0)
print(f"Schemathesis: {cases['generated']} cases, {failures} failures, seed {run['seed']}; phases: {', '.join(phases)}")
if omitted or untested:
    print(f"left out: phases {omitted}, {untested} operations")
    failures += len(omitted) + untested
if report := os.environ.get("ROLLCALL_TEST_REPORT"):
    with open(report, "a") as file:
        file.write(f"Schemathesis cases\t{cases['generated']}\nfailures\t{failures}\n")
sys.exit(failures > 0)

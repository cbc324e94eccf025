#!/usr/bin/env bash
# Runs Schemathesis against a demo school of its own: run.sh SECONDS [OPTION...], with options of `st run`.
set -euo pipefail
cd "$(dirname "$0")/../../.."
tools=internal/tools/schemathesis
venv=bin/schemathesis
if ! "$venv/bin/st" --version 2>/dev/null | grep -qF "$(sed -n 's/schemathesis==//p' "$tools/requirements.txt")"; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$tools/requirements.txt"
fi

data=$(mktemp -d)
# The demo's own limits and delays would be all that is tested.
ROLLCALL_ADDR=127.0.0.1:0 ROLLCALL_DATA_DIR=$data ROLLCALL_RATE_LIMIT_SCALE=100000 ROLLCALL_VALIDATE_RESPONSES=1 \
	bin/rollcall dev >"$data/log" 2>&1 &
server=$!
stop() {
	kill "$server" 2>/dev/null && wait "$server" || true
	rm -rf "$data"
}
trap stop EXIT
for _ in $(seq 300); do
	url=$(sed -n 's|^  API *\(http://.*\)/v1$|\1|p' "$data/log")
	[ -n "$url" ] && break
	kill -0 "$server" || { cat "$data/log"; exit 1; }
	sleep 0.2
done

export ROLLCALL_URL=$url PYTHONDONTWRITEBYTECODE=1
status=0
"$venv/bin/st" --config-file "$tools/schemathesis.toml" run --url "$url" --max-time "${1:-300}" --no-color \
	--report json --report-json-path "$data/report.json" "${@:2}" openapi.yaml || status=$?
"$venv/bin/python" "$tools/report.py" "$data/report.json"
exit $status

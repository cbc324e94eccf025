#!/usr/bin/env bash
# Compares openapi.yaml with the last released document, docs/openapi-released.yaml.
#   api-changes.sh check      fails when a change breaks clients and info.version does not say so
#   api-changes.sh changelog  prints what changed, for docs/api-changelog.md
#   api-changes.sh release    makes openapi.yaml the released document
set -euo pipefail
cd "$(dirname "$0")/../.."
released=docs/openapi-released.yaml
oasdiff() { go tool -modfile=internal/tools/api.mod oasdiff "$@"; }
# The version of a document: info.version is the only line of this form.
version() { sed -n 's/^  version: \([0-9]*\)\.\([0-9]*\)\.\([0-9]*\)$/\1 \2 \3/p' "$1"; }

# SemVer: a break raises the major version; below 1.0.0 the minor one.
says_so() {
	read -r major minor _ <<<"$(version "$released")"
	read -r new_major new_minor _ <<<"$(version openapi.yaml)"
	((new_major > major || (major == 0 && new_major == 0 && new_minor > minor)))
}

case ${1:-} in
check)
	if ! oasdiff breaking --fail-on ERR "$released" openapi.yaml; then
		if ! says_so; then
			echo "openapi.yaml breaks clients of the released document: raise info.version, or keep what they use."
			exit 1
		fi
		echo 'The new version says so.'
	fi
	;;
changelog)
	echo '<!-- Written by `make api-changelog`: what changed since the last released document, docs/openapi-released.yaml. -->'
	oasdiff changelog --format markdown "$released" openapi.yaml | cat -s
	;;
release) cp openapi.yaml "$released" ;;
*)
	echo "usage: $0 check|changelog|release" >&2
	exit 2
	;;
esac

#!/bin/sh
# Runs the script of this name, once there are dependencies to run it with.
script=$1
shift
if [ ! -d node_modules/wrangler ]; then
  echo 'The dependencies are not installed. Run npm ci, then try again.' >&2
  exit 1
fi
exec node "scripts/$script.ts" "$@"

/** Commands that are pasted into a shell as they stand, and what they do. */
export interface Block {
  title: string;
  commands: string;
}

/** Single quotes keep everything as it is, except a single quote. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * From nothing to a key that was made, verified and revoked, with a POSIX shell and curl alone: blocks to be
 * pasted into one shell, in order, as often as one likes.
 *
 * An account's name must differ from every live one, also when pasted twice in a second or into two shells at
 * once, hence the time, the shell and a count in it. A call that fails shows its answer; what the shell then
 * cuts from it is no id, and -g keeps curl from reading it as a pattern. The last verification asks for what is
 * true now, as an edge may still remember what it knew a moment ago.
 */
export function firstKeyBlocks(address: string, rootKey: string): readonly [Block, Block, Block] {
  const headers = `-H "Authorization: Bearer $MINTMARK_ROOT_KEY" -H 'Content-Type: application/json'`;
  return [
    {
      title: 'Make a service account, and a key for it',
      commands: `MINTMARK_URL=${quote(address)}
MINTMARK_ROOT_KEY=${quote(rootKey)}
MINTMARK_COUNT=$((\${MINTMARK_COUNT:-0} + 1))
ANSWER=$(curl -sS "$MINTMARK_URL/v1/service-accounts" \\
  ${headers} \\
  -d '{"name":"first-'"$(date +%s)-$$-$MINTMARK_COUNT"'","permissions":["files:read"]}')
printf '%s\\n' "$ANSWER"
ACCOUNT_ID=\${ANSWER#*'"id":"'}
ACCOUNT_ID=\${ACCOUNT_ID%%'"'*}
ANSWER=$(curl -gsS "$MINTMARK_URL/v1/service-accounts/$ACCOUNT_ID/api-keys" \\
  ${headers} \\
  -d '{"name":"first key"}')
printf '%s\\n' "$ANSWER"
KEY_ID=\${ANSWER#*'"id":"'}
KEY_ID=\${KEY_ID%%'"'*}
SECRET=\${ANSWER#*'"secret":"'}
SECRET=\${SECRET%%'"'*}
case $ANSWER in *'"secret":'*) printf 'key id: %s\\nsecret: %s\\n' "$KEY_ID" "$SECRET" ;; esac`,
    },
    {
      title: 'Verify it: the answer says VALID',
      commands: `curl -sS "$MINTMARK_URL/v1/api-keys/verify" \\
  ${headers} \\
  -d '{"key":"'"$SECRET"'","scopes":["files:read"]}'; echo`,
    },
    {
      title: 'Revoke it and verify again: the answer says REVOKED',
      commands: `curl -gsS -X POST "$MINTMARK_URL/v1/api-keys/$KEY_ID/revoke" \\
  -H "Authorization: Bearer $MINTMARK_ROOT_KEY"; echo
curl -sS "$MINTMARK_URL/v1/api-keys/verify" \\
  ${headers} \\
  -d '{"key":"'"$SECRET"'","maxStaleness":0}'; echo`,
    },
  ];
}

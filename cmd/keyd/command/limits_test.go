package command

import (
	"strings"
	"testing"
)

// TestLimits: limits are read under their names, and refused out of bounds.
func TestLimits(t *testing.T) {
	read := func(limits string) (Config, error) {
		c := Config{Regions: []string{defaultRegion}}
		err := parseConfig([]byte("data_dir: /x\ntoken: {module: /m, label: t}\nlisten: {socket: /s}\nlimits: "+limits), &c)
		if err == nil {
			err = c.Limits.check()
		}
		return c, err
	}
	c, err := read("{grants_per_key: 7, aliases_per_key: 6, tags_per_key: 5, key_policy_bytes: 4, access_keys_per_user: 3, " +
		"versions_per_policy: 2, tags_per_identity: 1, attached_policies: 8, policy_size: 9, inline_size: 10}")
	keys, identities := c.Limits.keys(), c.Limits.identities()
	if err != nil || keys.GrantsPerKey != 7 || keys.AliasesPerKey != 6 || keys.TagsPerKey != 5 || keys.PolicyBytes != 4 ||
		identities.AccessKeysPerUser != 3 || identities.VersionsPerPolicy != 2 || identities.Tags != 1 ||
		identities.AttachedPolicies != 8 || identities.PolicySize != 9 || identities.InlineSize != 10 {
		t.Errorf("%+v, %v", c.Limits, err)
	}
	for limits, want := range map[string]string{
		"{grants_per_key: -1}": "grants_per_key is -1", "{policy_size: 10000001}": "policy_size is 10000001",
		"{key_policy_bytes: 32769}": "key_policy_bytes is 32769", "{grants: 1}": "field grants",
	} {
		if _, err := read(limits); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", limits, err)
		}
	}
}

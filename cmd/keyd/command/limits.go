package command

import (
	"fmt"
	"reflect"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/policy"
)

// LimitsConfig sets numbers that AWS fixes. What is left out, or 0, is as the
// comment says.
type LimitsConfig struct {
	// GrantsPerKey: 50,000.
	GrantsPerKey int `yaml:"grants_per_key"`
	// AliasesPerKey: 50.
	AliasesPerKey int `yaml:"aliases_per_key"`
	// TagsPerKey: 50.
	TagsPerKey int `yaml:"tags_per_key"`
	// KeyPolicyBytes: 32,768, and no more than that.
	KeyPolicyBytes int `yaml:"key_policy_bytes"`
	// AccessKeysPerUser: 2.
	AccessKeysPerUser int `yaml:"access_keys_per_user"`
	// MFADevicesPerUser: 8.
	MFADevicesPerUser int `yaml:"mfa_devices_per_user"`
	// VersionsPerPolicy: 5.
	VersionsPerPolicy int `yaml:"versions_per_policy"`
	// TagsPerIdentity, of a user, role, policy or provider: 50.
	TagsPerIdentity int `yaml:"tags_per_identity"`
	// AttachedPolicies of a user, group or role: 100; AWS's is 10.
	AttachedPolicies int `yaml:"attached_policies"`
	// PolicySize of a managed or trust policy, in characters that are not white
	// space: 20,480; AWS's is 6,144.
	PolicySize int `yaml:"policy_size"`
	// InlineSize of all inline policies of a user, group or role together:
	// 102,400; AWS's is 2,048 to 10,240.
	InlineSize int `yaml:"inline_size"`
}

// maxLimit keeps what one request has to go through within bounds.
const maxLimit = 10_000_000

func (l LimitsConfig) check() error {
	v := reflect.ValueOf(l)
	for i := range v.NumField() {
		if n := v.Field(i).Int(); n < 0 || n > maxLimit {
			return fmt.Errorf("limits: %s is %d: want 0 to %d", v.Type().Field(i).Tag.Get("yaml"), n, maxLimit)
		}
	}
	if l.KeyPolicyBytes > policy.MaxKeyBytes {
		return fmt.Errorf("limits: key_policy_bytes is %d: want 0 to %d", l.KeyPolicyBytes, policy.MaxKeyBytes)
	}
	return nil
}

func (l LimitsConfig) keys() kms.Limits {
	return kms.Limits{
		GrantsPerKey: l.GrantsPerKey, AliasesPerKey: l.AliasesPerKey, TagsPerKey: l.TagsPerKey, PolicyBytes: l.KeyPolicyBytes,
	}
}

func (l LimitsConfig) identities() iam.Limits {
	return iam.Limits{
		AccessKeysPerUser: l.AccessKeysPerUser, MFADevicesPerUser: l.MFADevicesPerUser, VersionsPerPolicy: l.VersionsPerPolicy, Tags: l.TagsPerIdentity,
		AttachedPolicies: l.AttachedPolicies, PolicySize: l.PolicySize, InlineSize: l.InlineSize,
	}
}

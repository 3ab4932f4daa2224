package iam

// Limits are numbers that AWS fixes and an appliance may set otherwise. A zero
// one is that of DefaultLimits.
type Limits struct {
	AccessKeysPerUser int // and of the root user
	MFADevicesPerUser int // and of the root user
	VersionsPerPolicy int
	Tags              int // of one user, role, policy or provider
	AttachedPolicies  int // of one user, group or role
	PolicySize        int // characters of a managed or trust policy, white space not counted
	InlineSize        int // of all inline policies of a user, group or role together
}

// DefaultLimits are AWS's, but for policies, which nothing here forces to be so
// few and small: AWS's figures are 10 attached ones, 6,144 characters for a
// managed policy, and 2,048 to 10,240 for all inline policies of an entity.
var DefaultLimits = Limits{
	AccessKeysPerUser: 2, MFADevicesPerUser: 8, VersionsPerPolicy: 5, Tags: 50, AttachedPolicies: 100, PolicySize: 20_480, InlineSize: 102_400,
}

// or fills in what is not set.
func (l Limits) or(other Limits) Limits {
	for _, f := range []struct{ set, other *int }{
		{&l.AccessKeysPerUser, &other.AccessKeysPerUser}, {&l.MFADevicesPerUser, &other.MFADevicesPerUser},
		{&l.VersionsPerPolicy, &other.VersionsPerPolicy},
		{&l.Tags, &other.Tags}, {&l.AttachedPolicies, &other.AttachedPolicies},
		{&l.PolicySize, &other.PolicySize}, {&l.InlineSize, &other.InlineSize},
	} {
		if *f.set == 0 {
			*f.set = *f.other
		}
	}
	return l
}

package iam

import "math"

// Summary counts what the account has, under the names of AWS's account summary,
// together with the limits that are in force. What nothing limits here has the
// largest number there is as its quota; what the appliance does not have counts 0. How many MFA devices there are is
// package mfa's to say.
func (s *Service) Summary(tx Tx) map[string]int32 {
	size, attached, inlined := int32(s.limits.PolicySize), int32(s.limits.AttachedPolicies), int32(s.limits.InlineSize)
	out := map[string]int32{
		"AccessKeysPerUserQuota": int32(s.limits.AccessKeysPerUser), "VersionsPerPolicyQuota": int32(s.limits.VersionsPerPolicy), "PolicySizeQuota": size,
		"AttachedPoliciesPerUserQuota": attached, "AttachedPoliciesPerGroupQuota": attached,
		"AttachedPoliciesPerRoleQuota": attached,
		"UserPolicySizeQuota":          inlined, "GroupPolicySizeQuota": inlined, "RolePolicySizeQuota": inlined,
		"AssumeRolePolicySizeQuota": size, "GlobalEndpointTokenVersion": 1,
		"AccountPasswordPresent": 0, "AccountSigningCertificatesPresent": 0,
		"InstanceProfiles": 0, "InstanceProfilesQuota": 0,
		"ServerCertificates": 0, "ServerCertificatesQuota": 0, "SigningCertificatesPerUserQuota": 0,
	}
	for _, unlimited := range []string{"UsersQuota", "GroupsQuota", "RolesQuota", "PoliciesQuota", "GroupsPerUserQuota", "PolicyVersionsInUseQuota"} {
		out[unlimited] = math.MaxInt32
	}
	for counted, prefix := range map[string]string{
		"Users": users, "Groups": groups, "Roles": roles, "Policies": policies, "Providers": providers,
	} {
		out[counted] = count(tx, prefix)
	}
	out["MFADevicesInUse"] = count(tx, mfaOf)
	out["AccountMFAEnabled"] = min(1, count(tx, mfaOf+s.account+"/"))
	out["PolicyVersionsInUse"] = count(tx, versions)
	out["AccountAccessKeysPresent"] = min(1, count(tx, rootAccessKey))
	return out
}

// count is the number of records under prefix.
func count(tx Tx, prefix string) (n int32) {
	for range names(tx, prefix) {
		n++
	}
	return n
}

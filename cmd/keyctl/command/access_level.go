package command

import (
	"slices"
	"strings"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/api/trailapi"
)

// accessLevels are the levels that AWS sorts actions by, in the order of its summaries.
var accessLevels = []string{"List", "Read", "Write", "Permissions management", "Tagging"}

// levelRules say the level of an action by the beginning of its name; the
// first that fits holds, and Write is the rest. So it is in AWS's Service
// Authorization Reference, which oddLevels departs from.
var levelRules = []struct{ prefix, level string }{
	{"List", "List"}, {"Get", "Read"}, {"Describe", "Read"}, {"Generate", "Read"}, {"Simulate", "Read"}, {"Lookup", "Read"},
	{"Tag", "Tagging"}, {"Untag", "Tagging"}, {"Attach", "Permissions management"}, {"Detach", "Permissions management"},
}

var oddLevels = map[string]string{
	"kms:GenerateDataKey": "Write", "kms:GenerateDataKeyWithoutPlaintext": "Write", "kms:GenerateRandom": "Write",
	"kms:GenerateDataKeyPair": "Write", "kms:GenerateDataKeyPairWithoutPlaintext": "Write", "kms:GenerateMac": "Write",
	"kms:CreateGrant": "Permissions management", "kms:PutKeyPolicy": "Permissions management",
	"kms:RetireGrant": "Permissions management", "kms:RevokeGrant": "Permissions management",

	"iam:GetAccountSummary": "List", "iam:GetLoginProfile": "List",
	"iam:CreatePolicy": "Permissions management", "iam:CreatePolicyVersion": "Permissions management",
	"iam:DeletePolicy": "Permissions management", "iam:DeletePolicyVersion": "Permissions management",
	"iam:SetDefaultPolicyVersion": "Permissions management", "iam:UpdateAssumeRolePolicy": "Permissions management",
	"iam:PutUserPolicy": "Permissions management", "iam:DeleteUserPolicy": "Permissions management",
	"iam:PutGroupPolicy": "Permissions management", "iam:DeleteGroupPolicy": "Permissions management",
	"iam:PutRolePolicy": "Permissions management", "iam:DeleteRolePolicy": "Permissions management",
	"iam:PutUserPermissionsBoundary": "Permissions management", "iam:DeleteUserPermissionsBoundary": "Permissions management",
	"iam:PutRolePermissionsBoundary": "Permissions management", "iam:DeleteRolePermissionsBoundary": "Permissions management",
}

// permissionOnly are actions that are no operations, and operations that are no
// actions, by AWS's documentation and docs/spec/mfa.md.
var (
	permissionOnly = []string{"iam:PassRole", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:SynchronizeMultiRegionKey", "sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext", "keyd:GetChallengeCredentials"}
	notActions     = []string{"kms:ReEncrypt", "keyd:CreateSessionChallenge", "keyd:GetChallengeSessionToken"}
)

// action is one action of a policy, with its level.
type action struct{ name, level string }

// actions are all that keyd's services have, in order of their names.
var actions = allActions()

func allActions() []action {
	var found []action
	for prefix, service := range map[string]*api.Service{"kms": kmsapi.Service, "iam": iamapi.Service, "sts": stsapi.Service, "cloudtrail": trailapi.Service, "keyd": mfaapi.Service} {
		for _, op := range service.Operations {
			if name := prefix + ":" + op.Name; !slices.Contains(notActions, name) {
				found = append(found, action{name, levelOf(name)})
			}
		}
	}
	for _, name := range permissionOnly {
		found = append(found, action{name, levelOf(name)})
	}
	slices.SortFunc(found, func(a, b action) int { return strings.Compare(a.name, b.name) })
	return found
}

func levelOf(name string) string {
	if level, odd := oddLevels[name]; odd {
		return level
	}
	_, verb, _ := strings.Cut(name, ":")
	for _, rule := range levelRules {
		if strings.HasPrefix(verb, rule.prefix) {
			return rule.level
		}
	}
	return "Write"
}

// matchesAction reports whether a pattern of a policy means an action: * and ?
// are wildcards, and case does not count. Patterns of one policy are few and
// short, so trying every place costs nothing.
func matchesAction(pattern, name string) bool {
	pattern, name = strings.ToLower(pattern), strings.ToLower(name)
	star, mark, n := -1, 0, 0
	for p := 0; n < len(name); {
		switch {
		case p < len(pattern) && (pattern[p] == '?' || (pattern[p] == name[n] && pattern[p] != '*')):
			p, n = p+1, n+1
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case star >= 0:
			p, mark = star+1, mark+1
			n = mark
		default:
			return false
		}
		if n == len(name) {
			return strings.Trim(pattern[p:], "*") == ""
		}
	}
	return strings.Trim(pattern, "*") == ""
}

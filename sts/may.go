package sts

import "github.com/keyd-hsm/keyd/iam"

// MayCall refuses the operations of IAM and STS that are closed to temporary
// credentials of a kind, whatever policies say (rule 10.3); nil for all others.
// keyd's own operations, by which MFA devices come and go, are closed as IAM's
// are. service is "iam", "keyd" or "sts"; the restrictions do not concern others.
func MayCall(p iam.Principal, service, operation string) error {
	identities := service == "iam" || service == "keyd"
	if p.Session == nil || !identities && service != "sts" {
		return nil
	}
	if service == "sts" && operation == "GetCallerIdentity" {
		return nil
	}
	switch p.Type {
	case TypeWebIdentity:
		if service == "sts" && operation == "AssumeRoleWithWebIdentity" {
			return nil
		}
	case iam.TypeAssumedRole:
		if service == "sts" && (operation == "GetSessionToken" || operation == "GetFederationToken") {
			return longTermOnly(operation)
		}
		return nil
	case iam.TypeUser, iam.TypeRoot:
		if identities && p.Session.MFA || service == "sts" && operation == "AssumeRole" {
			return nil
		}
	}
	switch service {
	case "iam":
		return refuse(CodeInvalidClient, "The security token included in the request is invalid")
	case "keyd":
		return refuse(CodeAccessDenied, "Cannot call %s with session credentials without MFA", operation)
	}
	return longTermOnly(operation)
}

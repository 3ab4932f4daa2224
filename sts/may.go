package sts

import "github.com/keyd-hsm/keyd/iam"

// MayCall refuses the operations of IAM and STS that are closed to temporary
// credentials of a kind, whatever policies say (rule 10.3); nil for all others.
// service is "iam" or "sts"; the restrictions do not concern other services.
func MayCall(p iam.Principal, service, operation string) error {
	if p.Session == nil || service != "iam" && service != "sts" {
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
		if service == "iam" && p.Session.MFA || service == "sts" && operation == "AssumeRole" {
			return nil
		}
	}
	if service == "iam" {
		return refuse(CodeInvalidClient, "The security token included in the request is invalid")
	}
	return longTermOnly(operation)
}

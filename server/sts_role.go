package server

import (
	"errors"
	"strconv"
	"strings"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/sts"
)

func roleSession(in *stsapi.AssumeRoleRequest) (sts.RoleSession, error) {
	limits, err := sessionLimits(in.Policy, in.PolicyArns)
	return sts.RoleSession{
		Name: *in.RoleSessionName, Lasts: seconds(in.DurationSeconds), Limits: limits,
		Tags: sessionTags(in.Tags), Transitive: in.TransitiveTagKeys,
		SourceIdentity: api.Value(in.SourceIdentity), MFA: mfaOf(in.SerialNumber, in.TokenCode),
	}, err
}

// resolveAssumeRole asks for the actions that the request comes to, each by the
// role's trust policy and the caller's own.
func resolveAssumeRole(s *Server, c *call, tx kms.Tx, in *stsapi.AssumeRoleRequest) ([]authz.Check, error) {
	session, err := roleSession(in)
	if err != nil {
		return nil, err
	}
	if err := session.Check(c.caller); err != nil {
		return nil, err
	}
	if err := errors.Join(s.prove(c, session.MFA), s.holdsFactor(c, tx)); err != nil {
		return nil, err
	}
	role, err := s.roleNamed(c, tx, *in.RoleArn)
	if err != nil {
		return nil, err
	}
	facts := append(sessionTagFacts(session.Tags, session.Transitive),
		authz.Fact{Key: "sts:RoleSessionName", Values: []string{session.Name}})
	if in.ExternalId != nil {
		facts = append(facts, authz.Fact{Key: "sts:ExternalId", Values: []string{*in.ExternalId}})
	}
	if in.DurationSeconds != nil {
		facts = append(facts, authz.Fact{Key: "sts:DurationSeconds", Values: []string{strconv.Itoa(int(*in.DurationSeconds))}})
	}
	actions := []string{"sts:AssumeRole"}
	if identity := session.Identity(c.caller); identity != "" {
		facts = append(facts, authz.Fact{Key: "sts:SourceIdentity", Values: []string{identity}})
		actions = append(actions, "sts:SetSourceIdentity")
	}
	if session.Tagged(c.caller) {
		actions = append(actions, "sts:TagSession")
	}
	facts = append(facts, resourceTags(role.Tags)...)
	checks := make([]authz.Check, len(actions))
	for i, action := range actions {
		checks[i] = authz.Check{Action: action, Resource: *in.RoleArn, Trust: role, MFA: gateMFA(c.proof), Facts: facts}
	}
	return checks, nil
}

func assumeRole(s *Server, c *call, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
	session, err := roleSession(in)
	if err != nil {
		return nil, err
	}
	role, err := s.roleNamed(c, nil, *in.RoleArn)
	if err != nil {
		return nil, err
	}
	if role.ID == "" {
		return nil, notAuthorized(c, "sts:AssumeRole", *in.RoleArn) // gone since the gate was asked
	}
	if err := s.managedExist(c, session.Limits); err != nil {
		return nil, err
	}
	creds, err := s.STS.AssumeRole(c.ctx, c.caller, role, session)
	if err != nil {
		return nil, err
	}
	out := &stsapi.AssumeRoleResponse{
		Credentials: wireCredentials(creds), AssumedRoleUser: assumedRole(creds),
		PackedPolicySize: packedSize(creds, session.Limits, len(session.Tags)),
	}
	if identity := session.Identity(c.caller); identity != "" {
		out.SourceIdentity = &identity
	}
	return out, nil
}

func assumedRole(c *sts.Credentials) *stsapi.AssumedRoleUser {
	return &stsapi.AssumedRoleUser{AssumedRoleId: &c.Holder.ID, Arn: &c.Holder.ARN}
}

// roleNamed finds the role that an ARN names to the letter. For one that is not
// there it gives a role without id that trusts nobody, so that the gate answers
// as it does for a role that is there and does not trust the caller.
func (s *Server) roleNamed(c *call, tx kms.Tx, arn string) (*iam.Role, error) {
	account, rest, ok := cutRoleARN(arn)
	if !ok {
		return nil, &iam.Error{Code: iam.CodeValidation, Message: "Request ARN is invalid", Status: 400}
	}
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	role, err := s.IAM.Role(c.ctx, tx, name)
	if err != nil && !isNoSuchEntity(err) {
		return nil, err
	}
	if err != nil || role.ARN() != arn {
		return &iam.Role{Name: name, Path: "/", Account: account, Trust: trustsNobody, TrustBound: trustsNobody}, nil
	}
	return role, nil
}

// trustsNobody is the trust policy of a role that is not there: it names a
// unique id that is nobody's.
const trustsNobody = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",` +
	`"Principal":{"AWS":"AIDAAAAAAAAAAAAAAAAAA"}}]}`

// cutRoleARN takes arn:aws:iam::ACCOUNT:role/PATH/NAME apart.
func cutRoleARN(arn string) (account, rest string, ok bool) {
	rest, ok = strings.CutPrefix(arn, "arn:aws:iam::")
	if !ok {
		return "", "", false
	}
	account, rest, ok = strings.Cut(rest, ":role/")
	return account, rest, ok && len(account) == 12 && rest != "" && !strings.HasSuffix(rest, "/")
}

// notAuthorized is the refusal of what the gate would refuse.
func notAuthorized(c *call, action, resource string) error {
	return &iam.Error{Code: sts.CodeAccessDenied, Status: 403,
		Message: "User: " + c.caller.ARN + " is not authorized to perform: " + action + " on resource: " + resource}
}

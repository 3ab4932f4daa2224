package server

import (
	"strconv"

	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/sts"
)

// webIdentityRoute is the row of the one operation that is not signed: its OIDC
// token says who calls, and the role's trust policy alone allows it.
func webIdentityRoute() *route {
	r := use(stsOp("AssumeRoleWithWebIdentity"), levelWrite, resolveWebIdentity, nil, assumeRoleWithWebIdentity)
	r.admit = admitWebIdentity
	return r
}

// admitWebIdentity refuses in AWS's words, which tell a stranger nothing.
func admitWebIdentity(s *Server, c *call, tx kms.Tx) error {
	checks, err := resolveWebIdentity(s, c, tx, c.in.(*stsapi.AssumeRoleWithWebIdentityRequest))
	if err != nil {
		return err
	}
	d, err := s.Gate.Decide(c.ctx, s.gateRequest(c), checks...)
	if err == nil && !d.Allowed {
		err = errWebIdentity
	}
	return err
}

var errWebIdentity = &iam.Error{Code: sts.CodeAccessDenied, Message: "Not authorized to perform sts:AssumeRoleWithWebIdentity", Status: 403}

func webSession(in *stsapi.AssumeRoleWithWebIdentityRequest) (sts.WebSession, error) {
	limits, err := sessionLimits(in.Policy, in.PolicyArns)
	return sts.WebSession{Name: *in.RoleSessionName, Lasts: seconds(in.DurationSeconds), Limits: limits}, err
}

func resolveWebIdentity(s *Server, c *call, tx kms.Tx, in *stsapi.AssumeRoleWithWebIdentityRequest) ([]authz.Check, error) {
	if in.ProviderId != nil {
		return nil, &iam.Error{Code: iam.CodeValidation, Status: 400,
			Message: "ProviderId is for OAuth 2.0 access tokens, which are not supported; leave it out for an OpenID Connect ID token."}
	}
	if c.web == nil { // once: when the gate is asked again, the issuer is not
		w, err := s.STS.WebIdentity(c.ctx, string(*in.WebIdentityToken))
		if err != nil {
			return nil, err
		}
		c.web, c.caller = w, w.Principal()
	}
	session, err := webSession(in)
	if err != nil {
		return nil, err
	}
	if err := session.Check(); err != nil {
		return nil, err
	}
	role, err := s.roleNamed(c, tx, *in.RoleArn)
	if err != nil {
		return nil, err
	}
	return []authz.Check{{
		Action: "sts:AssumeRoleWithWebIdentity", Resource: *in.RoleArn, Trust: role,
		Facts: append(webIdentityFacts(c.web, in), resourceTags(role.Tags)...),
	}}, nil
}

func webIdentityFacts(w *sts.WebIdentity, in *stsapi.AssumeRoleWithWebIdentityRequest) []authz.Fact {
	facts := []authz.Fact{{Key: "sts:RoleSessionName", Values: []string{*in.RoleSessionName}}}
	for key, value := range w.Context() {
		facts = append(facts, authz.Fact{Key: key, Values: []string{value}})
	}
	if len(w.Methods) > 0 {
		facts = append(facts, authz.Fact{Key: w.MethodsKey(), Values: w.Methods, List: true})
	}
	if in.DurationSeconds != nil {
		facts = append(facts, authz.Fact{Key: "sts:DurationSeconds", Values: []string{strconv.Itoa(int(*in.DurationSeconds))}})
	}
	return facts
}

func assumeRoleWithWebIdentity(s *Server, c *call, in *stsapi.AssumeRoleWithWebIdentityRequest) (*stsapi.AssumeRoleWithWebIdentityResponse, error) {
	session, err := webSession(in)
	if err != nil {
		return nil, err
	}
	role, err := s.roleNamed(c, nil, *in.RoleArn)
	if err != nil {
		return nil, err
	}
	if role.ID == "" {
		return nil, errWebIdentity
	}
	if err := s.managedExist(c, session.Limits); err != nil {
		return nil, err
	}
	creds, err := s.STS.AssumeRoleWithWebIdentity(c.ctx, c.web, role, session)
	if err != nil {
		return nil, err
	}
	return &stsapi.AssumeRoleWithWebIdentityResponse{
		Credentials: wireCredentials(creds), AssumedRoleUser: assumedRole(creds),
		PackedPolicySize:            packedSize(creds, session.Limits, 0),
		SubjectFromWebIdentityToken: &c.web.Subject, Audience: &c.web.Audience, Provider: &c.web.Issuer,
	}, nil
}

package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/sts"
)

// resolveSessionToken: a user needs no permission to prove who they are; which
// credentials may not call it is asked before the gate.
func resolveSessionToken(s *Server, c *call, tx kms.Tx, _ *stsapi.GetSessionTokenRequest) ([]authz.Check, error) {
	if err := s.holdsFactor(c, tx); err != nil {
		return nil, err
	}
	return []authz.Check{{Action: "sts:GetSessionToken", Resource: "*", Public: true}}, nil
}

func getSessionToken(s *Server, c *call, in *stsapi.GetSessionTokenRequest) (*stsapi.GetSessionTokenResponse, error) {
	if err := s.prove(c, mfaOf(in.SerialNumber, in.TokenCode)); err != nil {
		return nil, err
	}
	creds, err := s.STS.ProvenSession(c.ctx, c.caller, seconds(in.DurationSeconds), c.proof)
	if err != nil {
		return nil, err
	}
	return &stsapi.GetSessionTokenResponse{Credentials: wireCredentials(creds)}, nil
}

func mfaOf(serial *string, code *api.SecretString) sts.MFA {
	return sts.MFA{Serial: api.Value(serial), Code: string(api.Value(code))}
}

// prove checks a code that came with a request, once in a call: it is spent then.
func (s *Server) prove(c *call, code sts.MFA) error {
	if c.proof.Given() {
		return nil
	}
	var err error
	c.proof, err = s.STS.Prove(c.ctx, c.caller, code)
	return err
}

// holdsFactor refuses a call whose code was right, but whose device was taken away
// from the caller since.
func (s *Server) holdsFactor(c *call, tx kms.Tx) error {
	if c.proof.Serial == "" {
		return nil
	}
	held, err := s.MFA.Holds(c.ctx, tx, mfa.OwnerOf(c.caller), c.proof.Serial)
	if err == nil && !held {
		err = sts.UnknownDevice()
	}
	return err
}

// gateMFA is what the gate is told of a factor that came with the request.
func gateMFA(p mfa.Proof) *authz.MFA {
	if !p.Given() {
		return nil
	}
	return &authz.MFA{Type: p.Type, Attested: p.Attested, Touch: p.TouchPolicy}
}

func federation(in *stsapi.GetFederationTokenRequest) (sts.Federation, error) {
	limits, err := sessionLimits(in.Policy, in.PolicyArns)
	return sts.Federation{
		Name: *in.Name, Lasts: seconds(in.DurationSeconds), Limits: limits, Tags: sessionTags(in.Tags),
	}, err
}

func resolveFederationToken(s *Server, c *call, _ kms.Tx, in *stsapi.GetFederationTokenRequest) ([]authz.Check, error) {
	f, err := federation(in)
	if err != nil {
		return nil, err
	}
	if err := f.Check(c.caller); err != nil {
		return nil, err
	}
	facts := sessionTagFacts(f.Tags, nil)
	checks := []authz.Check{{Action: "sts:GetFederationToken", Resource: s.STS.ARN(f.Name), Facts: facts}}
	if len(f.Tags) > 0 {
		checks = append(checks, authz.Check{Action: "sts:TagSession", Resource: s.STS.ARN(f.Name), Facts: facts})
	}
	return checks, nil
}

func getFederationToken(s *Server, c *call, in *stsapi.GetFederationTokenRequest) (*stsapi.GetFederationTokenResponse, error) {
	f, err := federation(in)
	if err != nil {
		return nil, err
	}
	if err := s.managedExist(c, f.Limits); err != nil {
		return nil, err
	}
	creds, err := s.STS.FederationToken(c.ctx, c.caller, f)
	if err != nil {
		return nil, err
	}
	return &stsapi.GetFederationTokenResponse{
		Credentials:      wireCredentials(creds),
		FederatedUser:    &stsapi.FederatedUser{FederatedUserId: &creds.Holder.ID, Arn: &creds.Holder.ARN},
		PackedPolicySize: packedSize(creds, f.Limits, len(f.Tags)),
	}, nil
}

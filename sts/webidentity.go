package sts

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/iam"
)

// TypeWebIdentity is the type of the caller of AssumeRoleWithWebIdentity, as
// CloudTrail has it. Such a principal has no rights of its own, not even those
// that are given to its whole account, which is its provider's; a trust policy
// names it by Session.Provider, as Federated.
const TypeWebIdentity = "WebIdentityUser"

// WebIdentity is who an OIDC token says its bearer is.
type WebIdentity struct {
	Issuer          string // the iss claim, a URL
	Provider        string // ARN of the identity provider that stands for it
	Account         string // of the provider
	Audience        string // the one that is a client id of the provider
	Subject         string
	AuthorizedParty string   // the azp claim, "" for none
	Methods         []string // the amr claim
}

// WebIdentity verifies an OIDC token: its issuer is one of the account's
// identity providers, its signature is by a key of the issuer, its audience is a
// client of the provider, and it is valid now.
func (s *Service) WebIdentity(ctx context.Context, token string) (*WebIdentity, error) {
	t, c, err := parseJWT(token)
	if err != nil {
		return nil, err
	}
	provider, err := s.provider(ctx, c.Issuer)
	if err != nil {
		return nil, err
	}
	if err := s.verifyJWT(ctx, t, c.Issuer); err != nil {
		return nil, err
	}
	audience, err := c.check(provider.ClientIDs, s.RealTime())
	if err != nil {
		return nil, err
	}
	return &WebIdentity{
		Issuer: c.Issuer, Provider: provider.ARN(), Account: provider.Account, Audience: audience, Subject: c.Subject,
		AuthorizedParty: c.AuthorizedParty, Methods: c.Methods,
	}, nil
}

// provider finds the account's identity provider of an issuer.
func (s *Service) provider(ctx context.Context, issuer string) (*iam.OIDCProvider, error) {
	none := refuse(CodeInvalidToken, "No OpenIDConnect provider found in your account for %s", clip(issuer))
	name, ok := strings.CutPrefix(issuer, "https://")
	if !ok {
		return nil, none
	}
	p, err := s.IAM.OIDCProvider(ctx, nil, s.IAM.ARN("oidc-provider", "/", name))
	if refusal := (*iam.Error)(nil); errors.As(err, &refusal) {
		return nil, none
	}
	return p, err
}

// Context is what the token said, as single-valued condition keys. The amr
// claim, of several values, is not among them.
func (w *WebIdentity) Context() map[string]string {
	issuer := strings.TrimPrefix(w.Issuer, "https://")
	c := map[string]string{issuer + ":aud": w.Audience, issuer + ":sub": w.Subject}
	if w.AuthorizedParty != "" {
		c[issuer+":azp"] = w.AuthorizedParty
	}
	return c
}

// MethodsKey is the condition key of the amr claim.
func (w *WebIdentity) MethodsKey() string { return strings.TrimPrefix(w.Issuer, "https://") + ":amr" }

// Principal is the bearer as the caller of AssumeRoleWithWebIdentity.
func (w *WebIdentity) Principal() iam.Principal {
	return iam.Principal{
		Type: TypeWebIdentity, Account: w.Account, ARN: w.Provider, Name: w.Subject,
		ID:      w.Provider + ":" + w.Audience + ":" + w.Subject,
		Session: &iam.Session{Provider: w.Provider, Context: w.Context()},
	}
}

// WebSession is what AssumeRoleWithWebIdentity is asked for.
type WebSession struct {
	Name   string
	Lasts  time.Duration // 0 means an hour
	Limits Limits
}

// Check refuses what nobody may ask for.
func (in *WebSession) Check() error { return in.Limits.check() }

// AssumeRoleWithWebIdentity makes a session of a role for the bearer of an OIDC
// token. The trust policy has been asked.
func (s *Service) AssumeRoleWithWebIdentity(ctx context.Context, w *WebIdentity, role *iam.Role, in WebSession) (*Credentials, error) {
	if err := in.Check(); err != nil {
		return nil, err
	}
	lasts, err := roleDuration(role, in.Lasts, false)
	if err != nil {
		return nil, err
	}
	return s.issue(ctx, &facts{
		Type: iam.TypeAssumedRole, Entity: role.ID, Name: in.Name,
		Policies: in.Limits.Policies, PolicyARNs: in.Limits.ARNs,
		Provider: w.Provider, Context: w.Context(),
	}, lasts)
}

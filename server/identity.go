package server

import (
	"context"
	"errors"

	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/server/listen"
	"github.com/keyd-hsm/keyd/server/sigv4"
	"github.com/keyd-hsm/keyd/sts"
)

// maxSigningKeys bounds the derived keys kept: one per access key, day, region
// and service in use.
const maxSigningKeys = 4096

// accessKeys finds whose an access key is: long-lived ones are asked for in iam,
// temporary ones prove themselves by their session token.
type accessKeys struct {
	iam   *iam.Service
	sts   *sts.Service
	cache *sigv4.Cache
}

var _ sigv4.Secrets = (*accessKeys)(nil)

func (s *Server) newVerifier() *sigv4.Verifier {
	s.keys = &accessKeys{iam: s.IAM, sts: s.STS}
	s.keys.cache = sigv4.NewCache(s.keys, maxSigningKeys, s.Clock)
	return &sigv4.Verifier{Now: s.SignatureClock, Region: s.Region}
}

// holder is who calls with an access key, as things stand now. It keeps the
// contract of [sigv4.Keys] for errors.
func (a *accessKeys) holder(ctx context.Context, id, token string) (iam.Principal, error) {
	if token != "" {
		p, err := a.sts.Verify(ctx, id, token)
		return p, tokenError(err)
	}
	k, err := a.iam.AccessKey(ctx, id)
	var p iam.Principal
	if err == nil && !k.Active {
		return p, sigv4.ErrUnknownKey
	}
	if err == nil {
		p, err = a.iam.Owner(ctx, k)
	}
	if errors.Is(err, iam.ErrNoAccessKey) {
		err = sigv4.ErrUnknownKey
	}
	return p, err
}

// tokenError says what a session token that is refused is to the client.
func tokenError(err error) error {
	switch {
	case errors.Is(err, sts.ErrExpiredToken):
		return sigv4.ErrExpiredToken
	case errors.Is(err, sts.ErrInvalidToken), errors.Is(err, kms.ErrSealed):
		return sigv4.ErrUnknownKey
	}
	return err
}

// Secret opens the secret of an access key, once a day for each scope.
func (a *accessKeys) Secret(ctx context.Context, id, token string) (sigv4.Secret, error) {
	if token != "" {
		secret, expires, err := a.sts.Secret(ctx, id, token)
		return sigv4.Secret{Value: secret, Expires: expires}, tokenError(err)
	}
	k, err := a.iam.AccessKey(ctx, id)
	if err != nil {
		return sigv4.Secret{}, err
	}
	secret, err := a.iam.Secret(ctx, k)
	return sigv4.Secret{Value: secret}, err
}

// credential is the access key of one request, and whose it was found to be.
type credential struct {
	keys      *accessKeys
	id, token string
	holder    iam.Principal
}

var _ sigv4.Keys = (*credential)(nil)

// SigningKey asks first who holds the key, so that an access key stops working
// when it is deactivated, and a session when it is revoked, whatever is cached.
func (k *credential) SigningKey(ctx context.Context, c sigv4.Credential) (sigv4.Key, error) {
	k.id, k.token = c.AccessKeyID, c.Token
	if err := k.find(ctx); err != nil {
		return sigv4.Key{}, err
	}
	return k.keys.cache.SigningKey(ctx, c)
}

func (k *credential) find(ctx context.Context) (err error) {
	k.holder, err = k.keys.holder(ctx, k.id, k.token)
	return err
}

// globalRegion is what AWS's tools sign requests to IAM and the global STS for,
// whatever region they are set to.
const globalRegion = "us-east-1"

// authenticate finds the caller by the request's signature.
func (s *Server) authenticate(c *call) error {
	k := &credential{keys: s.keys}
	v := *s.verifier
	v.Keys = k
	if c.service.SigningName != kmsapi.Service.SigningName {
		v.Region = func(region string) bool { return region == globalRegion || s.Region(region) }
	}
	id, err := v.Verify(c.r, c.body, c.service.SigningName)
	if err != nil {
		return err
	}
	listen.Vouch(c.ctx)
	c.identity, c.region = id, id.Region
	c.credential, c.caller = k, k.holder
	s.noteUse(c, k.token != "")
	return nil
}

// reauthenticate finds the caller again, for an answer that comes after a change:
// the access key may have been deactivated meanwhile, the session revoked, or
// the tags of the user changed.
func (s *Server) reauthenticate(c *call) error {
	if c.credential == nil {
		return nil // not signed, and not needed
	}
	switch err := c.credential.find(c.ctx); {
	case errors.Is(err, sigv4.ErrExpiredToken):
		return errSessionOver
	case errors.Is(err, sigv4.ErrUnknownKey):
		return errKeyGone
	case err != nil:
		return err
	}
	c.caller = c.credential.holder
	return nil
}

var (
	errKeyGone     = &sigv4.Error{Kind: sigv4.InvalidClientTokenID, Message: "The security token included in the request is invalid."}
	errSessionOver = &sigv4.Error{Kind: sigv4.ExpiredToken, Message: "The security token included in the request is expired"}
)

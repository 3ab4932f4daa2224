package server

import (
	"context"
	"errors"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/server/listen"
	"github.com/keyd-hsm/keyd/server/sigv4"
)

// maxSigningKeys bounds the derived keys kept: one per access key, day, region
// and service in use.
const maxSigningKeys = 4096

// accessKeys finds signing keys by the access keys of iam.
type accessKeys struct {
	iam   *iam.Service
	cache *sigv4.Cache
}

var (
	_ sigv4.Keys    = (*accessKeys)(nil)
	_ sigv4.Secrets = (*accessKeys)(nil)
)

func (s *Server) newVerifier() *sigv4.Verifier {
	keys := &accessKeys{iam: s.IAM}
	keys.cache = sigv4.NewCache(keys, maxSigningKeys, s.Clock)
	return &sigv4.Verifier{Keys: keys, Now: s.SignatureClock, Region: s.Region}
}

// SigningKey asks iam first each time, so that an access key stops working when
// it is deactivated, whatever is cached.
func (a *accessKeys) SigningKey(ctx context.Context, c sigv4.Credential) (sigv4.Key, error) {
	k, err := a.iam.AccessKey(ctx, c.AccessKeyID)
	switch {
	case errors.Is(err, iam.ErrNoAccessKey):
		return sigv4.Key{}, sigv4.ErrUnknownKey
	case err != nil:
		return sigv4.Key{}, err
	case !k.Active || c.Token != "":
		return sigv4.Key{}, sigv4.ErrUnknownKey
	}
	return a.cache.SigningKey(ctx, c)
}

// Secret opens the secret of an access key, once a day for each scope.
func (a *accessKeys) Secret(ctx context.Context, id, _ string) (sigv4.Secret, error) {
	k, err := a.iam.AccessKey(ctx, id)
	if err != nil {
		return sigv4.Secret{}, err
	}
	secret, err := a.iam.Secret(ctx, k)
	return sigv4.Secret{Value: secret}, err
}

// authenticate finds the caller by the request's signature.
func (s *Server) authenticate(c *call) error {
	id, err := s.verifier.Verify(c.r, c.body, c.service.SigningName)
	if err != nil {
		return err
	}
	listen.Vouch(c.ctx)
	c.identity, c.region = id, id.Region
	k, err := s.IAM.AccessKey(c.ctx, id.AccessKeyID)
	if err != nil {
		return err
	}
	c.caller, err = s.IAM.Owner(k)
	return err
}

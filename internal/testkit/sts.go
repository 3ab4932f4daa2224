package testkit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/sts"
)

// ErrSealed is what the sealer of every kit says of what it did not seal.
var ErrSealed = kms.ErrSealed

// STS is AWS's client for the appliance as the root user, without retries.
func (k *Kit) STS(region string) *stsclient.Client {
	return k.STSWith(region, k.provider())
}

// STSWith is STS with other credentials; aws.AnonymousCredentials{} signs nothing.
func (k *Kit) STSWith(region string, as aws.CredentialsProvider) *stsclient.Client {
	return stsclient.New(stsclient.Options{BaseEndpoint: &k.URL, Region: region, Credentials: as, RetryMaxAttempts: 1})
}

// KMSWith is KMS with other credentials.
func (k *Kit) KMSWith(region string, as aws.CredentialsProvider) *kmsclient.Client {
	return kmsclient.New(kmsclient.Options{BaseEndpoint: &k.URL, Region: region, Credentials: as, RetryMaxAttempts: 1})
}

// IAMWith is IAM with other credentials.
func (k *Kit) IAMWith(as aws.CredentialsProvider) *iamclient.Client {
	return iamclient.New(iamclient.Options{BaseEndpoint: &k.URL, Region: "us-east-1", Credentials: as, RetryMaxAttempts: 1})
}

// LongTerm provides an access key.
func LongTerm(c iam.Credentials) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(c.ID, string(c.Secret), "")
}

// Temporary provides the credentials of a session.
func Temporary(c *types.Credentials) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

// OATHTime is what MFA devices go by: real time moved by OATHOffset, apart from the
// appliance's clock.
func (k *Kit) OATHTime() time.Time { return time.Now().Add(time.Duration(k.OATHOffset.Load())) }

func (k *Kit) sessions(identities *iam.Service) *sts.Service {
	k.Identities = identities
	k.MFA = mfa.New(mfa.Config{
		Account: Account, DB: k.DB, IAM: identities, Seeds: k.Service, Clock: k.Now, RealTime: k.OATHTime,
		PIV: k.options.piv,
	})
	k.Sessions = sts.New(sts.Config{
		Account: Account, IAM: identities, Sealer: k.Service, MFA: k.MFA, Clock: k.Now, RealTime: time.Now,
		IssuerKeys: k.issuers.keys,
	})
	return k.Sessions
}

// issuers are the OIDC issuers that a kit's appliance can reach.
type issuers struct {
	mu    sync.Mutex
	known map[string]*Issuer
}

func (i *issuers) keys(_ context.Context, issuer string, _ bool) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	known, ok := i.known[issuer]
	if !ok {
		return nil, errors.New("issuer unreachable")
	}
	return json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: known.Key.Public(), KeyID: known.KeyID, Algorithm: string(jose.ES256), Use: "sig"},
	}})
}

// An Issuer is an OIDC issuer: it signs tokens, and the kit's appliance knows
// where its keys are. Its fields may be changed between tokens.
type Issuer struct {
	URL   string
	Key   *ecdsa.PrivateKey
	KeyID string

	k *Kit
}

// NewIssuer makes an issuer with a key of its own. The account trusts it once it
// is made an identity provider.
func (k *Kit) NewIssuer(url string) *Issuer {
	k.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.must(err)
	i := &Issuer{URL: url, Key: key, KeyID: "1", k: k}
	k.issuers.mu.Lock()
	defer k.issuers.mu.Unlock()
	if k.issuers.known == nil {
		k.issuers.known = make(map[string]*Issuer)
	}
	k.issuers.known[url] = i
	return i
}

// Token signs claims, over those that every token of the issuer has: it is good
// for five minutes. A claim of nil is left out.
func (i *Issuer) Token(audience, subject string, more map[string]any) string {
	i.k.t.Helper()
	now := time.Now()
	all := map[string]any{
		"iss": i.URL, "aud": audience, "sub": subject,
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	for name, value := range more {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.Key},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", i.KeyID))
	i.k.must(err)
	token, err := jwt.Signed(signer).Claims(all).Serialize()
	i.k.must(err)
	return token
}

// UserWithKey makes a user with an access key, past the API: the user may do
// nothing yet.
func (k *Kit) UserWithKey(name string, tags ...iam.Tag) (*iam.User, aws.CredentialsProvider) {
	k.t.Helper()
	c := iam.NewCredentials()
	sealed, err := k.Identities.SealKey(context.Background(), c)
	k.must(err)
	var u *iam.User
	k.Update(func(tx store.Tx) (err error) {
		if u, err = k.Identities.CreateUser(tx, iam.NewUser{Name: name, Path: "/", Tags: tags}); err != nil {
			return err
		}
		return k.Identities.CreateAccessKey(tx, name, sealed)
	})
	return u, LongTerm(c)
}

// RoleTrusting makes a role past the API, with a path of its own. An empty trust
// policy is one that trusts the account.
func (k *Kit) RoleTrusting(name, trust string, tags ...iam.Tag) *iam.Role {
	k.t.Helper()
	if trust == "" {
		trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession",` +
			`"sts:SetSourceIdentity"],"Principal":{"AWS":"` + Account + `"}}]}`
	}
	var r *iam.Role
	k.Update(func(tx store.Tx) (err error) {
		r, err = k.Identities.CreateRole(tx, iam.NewRole{Name: name, Path: "/team/", Trust: trust, MaxSession: 7200, Tags: tags})
		return err
	})
	return r
}

// Update changes the appliance's store past the API.
func (k *Kit) Update(fn func(tx store.Tx) error) {
	k.t.Helper()
	k.must(k.DB.Update(context.Background(), fn))
}

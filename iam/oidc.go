package iam

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// OIDCProvider is an OpenID Connect provider whose tokens the trust policies of
// roles may accept. It is shared and must not be changed.
type OIDCProvider struct {
	Version     int               `json:"v"`
	URL         string            `json:"url"` // the issuer without https://
	Account     string            `json:"account"`
	ClientIDs   []string          `json:"client_ids,omitempty"`  // audiences
	Thumbprints []string          `json:"thumbprints,omitempty"` // SHA-1 of certificates, 40 hexadecimal digits
	Created     time.Time         `json:"created"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// kindOIDC is how an ARN calls a provider.
const kindOIDC = "oidc-provider"

// ARN is the provider's Amazon Resource Name.
func (o *OIDCProvider) ARN() string { return entityARN(o.Account, kindOIDC, "/", o.URL) }

// Limits of a provider, as AWS has them.
const (
	maxClientIDs   = 100
	maxThumbprints = 5
	maxIssuer      = 255
)

// NewOIDCProvider is what CreateOIDCProvider is told.
type NewOIDCProvider struct {
	URL                    string // with https://
	ClientIDs, Thumbprints []string
	Tags                   []Tag
}

// CreateOIDCProvider makes a provider known. EntityAlreadyExists if its URL is.
func (s *Service) CreateOIDCProvider(tx Tx, in NewOIDCProvider) (*OIDCProvider, error) {
	issuer, err := Issuer(in.URL)
	if err != nil {
		return nil, err
	}
	tags, err := s.tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	o := &OIDCProvider{Version: 1, URL: issuer, Account: s.account, Created: s.now(), Tags: tags}
	for _, id := range in.ClientIDs {
		if err := o.addClientID(id); err != nil {
			return nil, err
		}
	}
	if err := o.setThumbprints(in.Thumbprints); err != nil {
		return nil, err
	}
	switch there, err := exists(tx, providers+issuer); {
	case err != nil:
		return nil, err
	case there:
		return nil, refuse(CodeAlreadyExists, "Provider with url %s already exists.", in.URL)
	}
	return o, put(tx, providers+issuer, o)
}

// Issuer is a provider's URL as its ARN has it: without https://, the host in
// lower case. ValidationError if it is none. AWS wants no port; here providers of
// a closed network may have one.
func Issuer(text string) (string, error) {
	u, err := url.Parse(text)
	bad := func(r rune) bool { return r <= ' ' || r > '~' }
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || len(text) > maxIssuer ||
		strings.ContainsAny(text, "?#") || strings.ContainsFunc(text, bad) {
		return "", refuse(CodeValidation, "Invalid Open ID Connect Provider URL")
	}
	return strings.ToLower(u.Host) + u.EscapedPath(), nil
}

func (o *OIDCProvider) addClientID(id string) error {
	if slices.Contains(o.ClientIDs, id) {
		return nil
	}
	if len(o.ClientIDs) == maxClientIDs {
		return refuse(CodeLimitExceeded, "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
	}
	o.ClientIDs = append(o.ClientIDs, id)
	return nil
}

func (o *OIDCProvider) setThumbprints(list []string) error {
	if len(list) > maxThumbprints {
		return refuse(CodeInvalidInput, "Thumbprint list must contain fewer than %d entries.", maxThumbprints)
	}
	o.Thumbprints = list
	return nil
}

// OIDCProvider finds a provider by its ARN; NoSuchEntity if there is none. With
// a transaction it reads there; with nil, from the cache.
func (s *Service) OIDCProvider(ctx context.Context, tx Tx, arn string) (*OIDCProvider, error) {
	missing := refuse(CodeNoSuchEntity, "OpenIDConnect Provider not found for arn %s", arn)
	issuer, ok := strings.CutPrefix(arn, s.ARN(kindOIDC, "/", ""))
	if !ok || issuer == "" || len(issuer) > maxIssuer {
		return nil, missing
	}
	read := func(tx Tx) (*OIDCProvider, error) { return load[OIDCProvider](tx, providers+issuer) }
	var (
		o   *OIDCProvider
		err error
	)
	if tx != nil {
		o, err = read(tx)
	} else {
		o, err = store.Cached(ctx, s.cache, providers+issuer, read)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing
	}
	return o, err
}

// DeleteOIDCProvider forgets a provider. Roles that trust it trust nobody by it.
func (s *Service) DeleteOIDCProvider(tx Tx, arn string) error {
	o, err := s.OIDCProvider(context.Background(), tx, arn)
	if isNoSuch(err) {
		return refuse(CodeNoSuchEntity, "OpenId connect Provider %s cannot be found.", arn)
	}
	if err != nil {
		return err
	}
	return tx.Delete(providers + o.URL)
}

// OIDCProviders lists all providers, by their URLs. There are few.
func (s *Service) OIDCProviders(tx Tx) ([]*OIDCProvider, error) {
	var all []*OIDCProvider
	for path, value := range tx.Scan(providers, "") {
		o := new(OIDCProvider)
		if err := json.Unmarshal(value, o); err != nil {
			return nil, errors.Join(errors.New("record "+path), err)
		}
		all = append(all, o)
	}
	return all, nil
}

// AddClientID lets a provider's tokens name an audience; twice is no error.
func (s *Service) AddClientID(tx Tx, arn, id string) error {
	return s.changeProvider(tx, arn, func(o *OIDCProvider) error { return o.addClientID(id) })
}

// RemoveClientID is the contrary; what is not there is no error.
func (s *Service) RemoveClientID(tx Tx, arn, id string) error {
	return s.changeProvider(tx, arn, func(o *OIDCProvider) error {
		o.ClientIDs = slices.DeleteFunc(o.ClientIDs, func(have string) bool { return have == id })
		return nil
	})
}

// SetThumbprints replaces a provider's thumbprints.
func (s *Service) SetThumbprints(tx Tx, arn string, list []string) error {
	return s.changeProvider(tx, arn, func(o *OIDCProvider) error { return o.setThumbprints(list) })
}

// TagOIDCProvider puts tags on a provider, over those with the same keys in any
// case.
func (s *Service) TagOIDCProvider(tx Tx, arn string, tags []Tag) error {
	return s.changeProvider(tx, arn, func(o *OIDCProvider) (err error) {
		o.Tags, err = s.tagged(o.Tags, tags)
		return err
	})
}

// UntagOIDCProvider takes tags off a provider; what is not there is no error.
func (s *Service) UntagOIDCProvider(tx Tx, arn string, keys []string) error {
	return s.changeProvider(tx, arn, func(o *OIDCProvider) error {
		o.Tags = untagged(o.Tags, keys)
		return nil
	})
}

func (s *Service) changeProvider(tx Tx, arn string, change func(*OIDCProvider) error) error {
	o, err := s.OIDCProvider(context.Background(), tx, arn)
	if err != nil {
		return err
	}
	if err := change(o); err != nil {
		return err
	}
	return put(tx, providers+o.URL, o)
}

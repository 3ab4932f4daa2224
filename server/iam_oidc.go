package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

// onProvider resolves an operation on the OpenID Connect provider of an ARN. One
// that does not exist is authorized as it was named.
func onProvider[I any](action string, arn func(*I) *string) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		check := authz.Check{Action: action, Resource: api.Value(arn(in))}
		o, err := s.IAM.OIDCProvider(c.ctx, tx, check.Resource)
		if err == nil {
			check.Facts = resourceTags(o.Tags)
		} else if !isNoSuchEntity(err) {
			return nil, err
		}
		return []authz.Check{check}, nil
	}
}

func resolveCreateProvider(s *Server, _ *call, _ kms.Tx, in *iamapi.CreateOpenIDConnectProviderRequest) ([]authz.Check, error) {
	issuer, err := iam.Issuer(api.Value(in.Url))
	if err != nil {
		return nil, err
	}
	arn := s.IAM.ARN("oidc-provider", "/", issuer)
	return creation("iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider", arn, in.Tags, nil), nil
}

func createProvider(s *Server, _ *call, tx kms.Tx, in *iamapi.CreateOpenIDConnectProviderRequest) (*iamapi.CreateOpenIDConnectProviderResponse, error) {
	o, err := s.IAM.CreateOIDCProvider(tx, iam.NewOIDCProvider{
		URL: *in.Url, ClientIDs: in.ClientIDList, Thumbprints: in.ThumbprintList, Tags: fromWire(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.CreateOpenIDConnectProviderResponse{OpenIDConnectProviderArn: new(o.ARN()), Tags: someTags(o.Tags)}, nil
}

func getProvider(s *Server, c *call, tx kms.Tx, in *iamapi.GetOpenIDConnectProviderRequest) (*iamapi.GetOpenIDConnectProviderResponse, error) {
	o, err := s.IAM.OIDCProvider(c.ctx, tx, *in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	return &iamapi.GetOpenIDConnectProviderResponse{
		Url: &o.URL, ClientIDList: present(o.ClientIDs), ThumbprintList: present(o.Thumbprints),
		CreateDate: api.At(o.Created), Tags: toWire(iam.Tags(o.Tags)),
	}, nil
}

// present makes an empty list of an absent one.
func present(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func deleteProvider(s *Server, _ *call, tx kms.Tx, in *iamapi.DeleteOpenIDConnectProviderRequest) (*nothing, error) {
	return nil, s.IAM.DeleteOIDCProvider(tx, *in.OpenIDConnectProviderArn)
}

func listProviders(s *Server, _ *call, tx kms.Tx, _ *iamapi.ListOpenIDConnectProvidersRequest) (*iamapi.ListOpenIDConnectProvidersResponse, error) {
	all, err := s.IAM.OIDCProviders(tx)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListOpenIDConnectProvidersResponse{
		OpenIDConnectProviderList: each(all, func(o *iam.OIDCProvider) *iamapi.OpenIDConnectProviderListEntry {
			return &iamapi.OpenIDConnectProviderListEntry{Arn: new(o.ARN())}
		}),
	}, nil
}

func addClientID(s *Server, _ *call, tx kms.Tx, in *iamapi.AddClientIDToOpenIDConnectProviderRequest) (*nothing, error) {
	return nil, s.IAM.AddClientID(tx, *in.OpenIDConnectProviderArn, *in.ClientID)
}

func removeClientID(s *Server, _ *call, tx kms.Tx, in *iamapi.RemoveClientIDFromOpenIDConnectProviderRequest) (*nothing, error) {
	return nil, s.IAM.RemoveClientID(tx, *in.OpenIDConnectProviderArn, *in.ClientID)
}

func updateThumbprints(s *Server, _ *call, tx kms.Tx, in *iamapi.UpdateOpenIDConnectProviderThumbprintRequest) (*nothing, error) {
	return nil, s.IAM.SetThumbprints(tx, *in.OpenIDConnectProviderArn, in.ThumbprintList)
}

func tagProvider(s *Server, _ *call, tx kms.Tx, in *iamapi.TagOpenIDConnectProviderRequest) (*nothing, error) {
	return nil, s.IAM.TagOIDCProvider(tx, *in.OpenIDConnectProviderArn, fromWire(in.Tags))
}

func untagProvider(s *Server, _ *call, tx kms.Tx, in *iamapi.UntagOpenIDConnectProviderRequest) (*nothing, error) {
	return nil, s.IAM.UntagOIDCProvider(tx, *in.OpenIDConnectProviderArn, in.TagKeys)
}

func listProviderTags(s *Server, c *call, tx kms.Tx, in *iamapi.ListOpenIDConnectProviderTagsRequest) (*iamapi.ListOpenIDConnectProviderTagsResponse, error) {
	o, err := s.IAM.OIDCProvider(c.ctx, tx, *in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	tags, next, err := iam.PageOfTags(o.ARN(), o.Tags, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListOpenIDConnectProviderTagsResponse{Tags: toWire(tags)}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

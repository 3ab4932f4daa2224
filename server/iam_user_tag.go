package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

// tagging adds to a resolver of one resource the facts about tags in the request.
func tagging[I any](resolve resolver[I], facts func(*I) []authz.Fact) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		checks, err := resolve(s, c, tx, in)
		for i := range checks {
			checks[i] = with(checks[i], facts(in)...)
		}
		return checks, err
	}
}

func tagUser(s *Server, _ *call, tx kms.Tx, in *iamapi.TagUserRequest) (*nothing, error) {
	return nil, s.IAM.TagUser(tx, *in.UserName, fromWire(in.Tags))
}

func untagUser(s *Server, _ *call, tx kms.Tx, in *iamapi.UntagUserRequest) (*nothing, error) {
	return nil, s.IAM.UntagUser(tx, *in.UserName, in.TagKeys)
}

func listUserTags(s *Server, c *call, tx kms.Tx, in *iamapi.ListUserTagsRequest) (*iamapi.ListUserTagsResponse, error) {
	u, err := s.IAM.User(c.ctx, tx, *in.UserName)
	if err != nil {
		return nil, err
	}
	tags, next, err := iam.PageOfTags(u.ARN(), u.Tags, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListUserTagsResponse{Tags: toWire(tags)}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

func fromWire(tags []iamapi.Tag) []iam.Tag {
	out := make([]iam.Tag, len(tags))
	for i, t := range tags {
		out[i] = iam.Tag{Key: api.Value(t.Key), Value: api.Value(t.Value)}
	}
	return out
}

func toWire(tags []iam.Tag) []iamapi.Tag {
	return each(tags, func(t iam.Tag) *iamapi.Tag { return &iamapi.Tag{Key: &t.Key, Value: &t.Value} })
}

// someTags are the tags of a thing, absent if it has none.
func someTags(tags map[string]string) []iamapi.Tag {
	if len(tags) == 0 {
		return nil
	}
	return toWire(iam.Tags(tags))
}

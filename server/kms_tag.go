package server

import (
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

func kmsTagRoutes() []*route {
	return []*route{
		change(kmsOp("TagResource"), levelTagging,
			onKeyID("kms:TagResource", func(in *kmsapi.TagResourceRequest) *string { return in.KeyId }), tagResource),
		change(kmsOp("UntagResource"), levelTagging,
			onKeyID("kms:UntagResource", func(in *kmsapi.UntagResourceRequest) *string { return in.KeyId }), untagResource),
		query(kmsOp("ListResourceTags"), levelList,
			onKeyID("kms:ListResourceTags", func(in *kmsapi.ListResourceTagsRequest) *string { return in.KeyId }), listResourceTags),
	}
}

func tagResource(s *Server, c *call, tx kms.Tx, in *kmsapi.TagResourceRequest) (*nothing, error) {
	return nil, s.KMS.TagResource(tx, c.key, newTags(in.Tags))
}

func untagResource(s *Server, c *call, tx kms.Tx, in *kmsapi.UntagResourceRequest) (*nothing, error) {
	return nil, s.KMS.UntagResource(tx, c.key, in.TagKeys)
}

// untagFacts are the condition keys of UntagResource.
func untagFacts(in *kmsapi.UntagResourceRequest) []authz.Fact {
	return []authz.Fact{{Key: "aws:TagKeys", Values: in.TagKeys, List: true}}
}

func listResourceTags(_ *Server, c *call, in *kmsapi.ListResourceTagsRequest) (*kmsapi.ListResourceTagsResponse, error) {
	tags, next, err := c.key.ListTags(page(in.Limit, in.Marker, 50))
	if err != nil {
		return nil, err
	}
	out := &kmsapi.ListResourceTagsResponse{Tags: make([]kmsapi.Tag, len(tags))}
	for i, t := range tags {
		out.Tags[i] = kmsapi.Tag{TagKey: &tags[i].Key, TagValue: new(t.Value)}
	}
	out.NextMarker, out.Truncated = nextPage(next)
	return out, nil
}

package server

import (
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

func tagPolicyFacts(in *iamapi.TagPolicyRequest) []authz.Fact     { return requestTags(in.Tags) }
func untagPolicyFacts(in *iamapi.UntagPolicyRequest) []authz.Fact { return tagKeys(in.TagKeys) }

func tagPolicy(s *Server, tx kms.Tx, arn string, in *iamapi.TagPolicyRequest) error {
	return s.IAM.TagPolicy(tx, arn, fromWire(in.Tags))
}

func untagPolicy(s *Server, tx kms.Tx, arn string, in *iamapi.UntagPolicyRequest) error {
	return s.IAM.UntagPolicy(tx, arn, in.TagKeys)
}

func listPolicyTags(s *Server, c *call, tx kms.Tx, in *iamapi.ListPolicyTagsRequest) (*iamapi.ListPolicyTagsResponse, error) {
	p, err := s.IAM.Policy(c.ctx, tx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	tags, next, err := iam.PageOfTags(p.ARN(), p.Tags, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListPolicyTagsResponse{Tags: toWire(tags)}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

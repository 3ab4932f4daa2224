package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

func createPolicyVersion(s *Server, c *call, tx kms.Tx, in *iamapi.CreatePolicyVersionRequest) (*iamapi.CreatePolicyVersionResponse, error) {
	makeDefault := api.Value(in.SetAsDefault)
	v, err := s.IAM.CreatePolicyVersion(tx, *in.PolicyArn, *in.PolicyDocument, makeDefault)
	if err != nil {
		return nil, ofShipped(c, "iam:CreatePolicyVersion", *in.PolicyArn, err)
	}
	return &iamapi.CreatePolicyVersionResponse{PolicyVersion: versionBrief(*v, makeDefault)}, nil
}

// versionBrief is a version of a policy without its document.
func versionBrief(v iam.PolicyVersion, isDefault bool) *iamapi.PolicyVersion {
	return &iamapi.PolicyVersion{VersionId: &v.ID, IsDefaultVersion: &isDefault, CreateDate: api.At(v.Created)}
}

func versionInFull(v iam.PolicyVersion, isDefault bool) *iamapi.PolicyVersion {
	out := versionBrief(v, isDefault)
	out.Document = escapedDocument(v.Document)
	return out
}

func getPolicyVersion(s *Server, _ *call, tx kms.Tx, in *iamapi.GetPolicyVersionRequest) (*iamapi.GetPolicyVersionResponse, error) {
	p, v, err := s.IAM.PolicyVersion(tx, *in.PolicyArn, *in.VersionId)
	if err != nil {
		return nil, err
	}
	return &iamapi.GetPolicyVersionResponse{PolicyVersion: versionInFull(*v, v.ID == p.Default)}, nil
}

func listPolicyVersions(s *Server, _ *call, tx kms.Tx, in *iamapi.ListPolicyVersionsRequest) (*iamapi.ListPolicyVersionsResponse, error) {
	p, found, next, err := s.IAM.PolicyVersions(tx, *in.PolicyArn, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListPolicyVersionsResponse{
		Versions: each(found, func(v iam.PolicyVersion) *iamapi.PolicyVersion { return versionBrief(v, v.ID == p.Default) }),
	}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

func deletePolicyVersion(s *Server, tx kms.Tx, arn string, in *iamapi.DeletePolicyVersionRequest) error {
	return s.IAM.DeletePolicyVersion(tx, arn, *in.VersionId)
}

func setDefaultVersion(s *Server, tx kms.Tx, arn string, in *iamapi.SetDefaultPolicyVersionRequest) error {
	return s.IAM.SetDefaultPolicyVersion(tx, arn, *in.VersionId)
}

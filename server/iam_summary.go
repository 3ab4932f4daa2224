package server

import (
	"slices"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

func getAccountSummary(s *Server, _ *call, tx kms.Tx, _ *iamapi.GetAccountSummaryRequest) (*iamapi.GetAccountSummaryResponse, error) {
	counts := s.IAM.Summary(tx)
	counts["MFADevices"] = s.MFA.Count(tx)
	out := &iamapi.GetAccountSummaryResponse{SummaryMap: make(map[iamapi.SummaryKeyType]int32, len(counts))}
	for k, n := range counts {
		out.SummaryMap[iamapi.SummaryKeyType(k)] = n
	}
	return out, nil
}

func authorizationDetails(s *Server, _ *call, tx kms.Tx, in *iamapi.GetAccountAuthorizationDetailsRequest) (*iamapi.GetAccountAuthorizationDetailsResponse, error) {
	wanted := func(e iamapi.EntityType) bool { return len(in.Filter) == 0 || slices.Contains(in.Filter, e) }
	found, next, err := s.IAM.AuthorizationDetails(tx, iam.DetailsFilter{
		Users: wanted(iamapi.EntityTypeUser), Groups: wanted(iamapi.EntityTypeGroup), Roles: wanted(iamapi.EntityTypeRole),
		Local: wanted(iamapi.EntityTypeLocalManagedPolicy), Shipped: wanted(iamapi.EntityTypeAWSManagedPolicy),
	}, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.GetAccountAuthorizationDetailsResponse{
		UserDetailList:  each(found.Users, userDetail),
		GroupDetailList: each(found.Groups, groupDetail),
		Policies:        each(found.Policies, func(p iam.PolicyDetails) *iamapi.ManagedPolicyDetail { return policyDetail(tx, p) }),
		RoleDetailList:  []iamapi.RoleDetail{},
	}
	for _, r := range found.Roles {
		detail, err := s.roleDetail(tx, r)
		if err != nil {
			return nil, err
		}
		out.RoleDetailList = append(out.RoleDetailList, *detail)
	}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

func userDetail(u iam.UserDetails) *iamapi.UserDetail {
	return &iamapi.UserDetail{
		Path: &u.Path, UserName: &u.Name, UserId: &u.ID, Arn: new(u.ARN()), CreateDate: api.At(u.Created),
		UserPolicyList: each(u.Inline, inlineDetail), GroupList: append([]string{}, u.Groups...),
		AttachedManagedPolicies: each(u.Attached, attachedToWire),
		PermissionsBoundary:     boundaryOf(u.Boundary), Tags: toWire(iam.Tags(u.Tags)),
	}
}

func groupDetail(g iam.GroupDetails) *iamapi.GroupDetail {
	return &iamapi.GroupDetail{
		Path: &g.Path, GroupName: &g.Name, GroupId: &g.ID, Arn: new(g.ARN()), CreateDate: api.At(g.Created),
		GroupPolicyList: each(g.Inline, inlineDetail), AttachedManagedPolicies: each(g.Attached, attachedToWire),
	}
}

func (s *Server) roleDetail(tx kms.Tx, r iam.RoleDetails) (*iamapi.RoleDetail, error) {
	trust, err := s.IAM.TrustPolicy(tx, r.Role)
	if err != nil {
		return nil, err
	}
	last, err := s.IAM.LastUse(tx, r.ID)
	if err != nil {
		return nil, err
	}
	used := new(iamapi.RoleLastUsed)
	if !last.At.IsZero() {
		used.LastUsedDate, used.Region = api.At(last.At), &last.Region
	}
	return &iamapi.RoleDetail{
		Path: &r.Path, RoleName: &r.Name, RoleId: &r.ID, Arn: new(r.ARN()), CreateDate: api.At(r.Created),
		AssumeRolePolicyDocument: escapedDocument(trust), InstanceProfileList: []iamapi.InstanceProfile{},
		RolePolicyList: each(r.Inline, inlineDetail), AttachedManagedPolicies: each(r.Attached, attachedToWire),
		PermissionsBoundary: boundaryOf(r.Boundary), Tags: toWire(iam.Tags(r.Tags)), RoleLastUsed: used,
	}, nil
}

func inlineDetail(p iam.InlinePolicy) *iamapi.PolicyDetail {
	return &iamapi.PolicyDetail{PolicyName: &p.Name, PolicyDocument: escapedDocument(p.Document)}
}

func policyDetail(tx kms.Tx, p iam.PolicyDetails) *iamapi.ManagedPolicyDetail {
	b := policyBrief(tx, p.ManagedPolicy)
	out := &iamapi.ManagedPolicyDetail{
		PolicyName: b.PolicyName, PolicyId: b.PolicyId, Arn: b.Arn, Path: b.Path, DefaultVersionId: b.DefaultVersionId,
		AttachmentCount: b.AttachmentCount, PermissionsBoundaryUsageCount: b.PermissionsBoundaryUsageCount,
		IsAttachable: b.IsAttachable, CreateDate: b.CreateDate, UpdateDate: b.UpdateDate,
		PolicyVersionList: each(p.Versions, func(v iam.PolicyVersion) *iamapi.PolicyVersion {
			return versionInFull(v, v.ID == p.Default)
		}),
	}
	if p.Description != "" {
		out.Description = &p.Description
	}
	return out
}

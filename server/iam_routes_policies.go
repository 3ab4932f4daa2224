package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/iam"
)

// iamPolicyRoutes is the part of the table about policies, who has them, and
// reports.
func iamPolicyRoutes() []*route {
	rows := append(managedRoutes(), attachRoutes()...)
	rows = append(rows, inlineRoutes()...)
	return append(rows, reportRoutes()...)
}

func managedRoutes() []*route {
	return []*route{
		change(iamOp("CreatePolicy"), levelPermissions, resolveCreatePolicy, createPolicy).large(),
		view(iamOp("GetPolicy"), levelRead, onPolicy("iam:GetPolicy", getPolicyARN), getPolicy),
		change(iamOp("DeletePolicy"), levelPermissions, onPolicy("iam:DeletePolicy", deletePolicyARN),
			changing("iam:DeletePolicy", deletePolicyARN, deletePolicy)),
		view(iamOp("ListPolicies"), levelList, onNothing[iamapi.ListPoliciesRequest]("iam:ListPolicies"), listPolicies),

		change(iamOp("CreatePolicyVersion"), levelPermissions, onPolicy("iam:CreatePolicyVersion", newVersionARN), createPolicyVersion).large(),
		view(iamOp("GetPolicyVersion"), levelRead, onPolicy("iam:GetPolicyVersion", getVersionARN), getPolicyVersion),
		view(iamOp("ListPolicyVersions"), levelList, onPolicy("iam:ListPolicyVersions", listVersionsARN), listPolicyVersions),
		change(iamOp("DeletePolicyVersion"), levelPermissions, onPolicy("iam:DeletePolicyVersion", deleteVersionARN),
			changing("iam:DeletePolicyVersion", deleteVersionARN, deletePolicyVersion)),
		change(iamOp("SetDefaultPolicyVersion"), levelPermissions, onPolicy("iam:SetDefaultPolicyVersion", defaultVersionARN),
			changing("iam:SetDefaultPolicyVersion", defaultVersionARN, setDefaultVersion)),

		change(iamOp("TagPolicy"), levelTagging, tagging(onPolicy("iam:TagPolicy", tagPolicyARN), tagPolicyFacts),
			changing("iam:TagPolicy", tagPolicyARN, tagPolicy)),
		change(iamOp("UntagPolicy"), levelTagging, tagging(onPolicy("iam:UntagPolicy", untagPolicyARN), untagPolicyFacts),
			changing("iam:UntagPolicy", untagPolicyARN, untagPolicy)),
		view(iamOp("ListPolicyTags"), levelList, onPolicy("iam:ListPolicyTags", listPolicyTagsARN), listPolicyTags),

		view(iamOp("ListEntitiesForPolicy"), levelList, onPolicy("iam:ListEntitiesForPolicy", listEntitiesARN), listEntitiesForPolicy),
		view(iamOp("GetContextKeysForCustomPolicy"), levelRead,
			onNothing[iamapi.GetContextKeysForCustomPolicyRequest]("iam:GetContextKeysForCustomPolicy"), contextKeysForCustom).large(),
		view(iamOp("GetContextKeysForPrincipalPolicy"), levelRead,
			onReported("iam:GetContextKeysForPrincipalPolicy", contextKeysARN), contextKeysForPrincipal).large(),
	}
}

func attachRoutes() []*route {
	const user, group, role = iam.KindUser, iam.KindGroup, iam.KindRole
	return []*route{
		change(iamOp("AttachUserPolicy"), levelPermissions, onAttachment("iam:AttachUserPolicy", user, attachUser), attach(user, attachUser)),
		change(iamOp("AttachGroupPolicy"), levelPermissions, onAttachment("iam:AttachGroupPolicy", group, attachGroup), attach(group, attachGroup)),
		change(iamOp("AttachRolePolicy"), levelPermissions, onAttachment("iam:AttachRolePolicy", role, attachRole), attach(role, attachRole)),
		change(iamOp("DetachUserPolicy"), levelPermissions, onAttachment("iam:DetachUserPolicy", user, detachUser), detach(user, detachUser)),
		change(iamOp("DetachGroupPolicy"), levelPermissions, onAttachment("iam:DetachGroupPolicy", group, detachGroup), detach(group, detachGroup)),
		change(iamOp("DetachRolePolicy"), levelPermissions, onAttachment("iam:DetachRolePolicy", role, detachRole), detach(role, detachRole)),
		view(iamOp("ListAttachedUserPolicies"), levelList, onUser("iam:ListAttachedUserPolicies", attachedUserName), listAttachedUser),
		view(iamOp("ListAttachedGroupPolicies"), levelList, onGroup("iam:ListAttachedGroupPolicies", attachedGroupName), listAttachedGroup),
		view(iamOp("ListAttachedRolePolicies"), levelList, onRole("iam:ListAttachedRolePolicies", attachedRoleName), listAttachedRole),

		change(iamOp("PutUserPermissionsBoundary"), levelPermissions,
			onNewBoundary("iam:PutUserPermissionsBoundary", user, userBoundary), setBoundary(user, userBoundary)),
		change(iamOp("DeleteUserPermissionsBoundary"), levelPermissions,
			onHolder("iam:DeleteUserPermissionsBoundary", user, noUserBoundary), setBoundary(user, noUserBoundary)),
		change(iamOp("PutRolePermissionsBoundary"), levelPermissions,
			onNewBoundary("iam:PutRolePermissionsBoundary", role, roleBoundary), setBoundary(role, roleBoundary)),
		change(iamOp("DeleteRolePermissionsBoundary"), levelPermissions,
			onHolder("iam:DeleteRolePermissionsBoundary", role, noRoleBoundary), setBoundary(role, noRoleBoundary)),
	}
}

func inlineRoutes() []*route {
	const user, group, role = iam.KindUser, iam.KindGroup, iam.KindRole
	return []*route{
		change(iamOp("PutUserPolicy"), levelPermissions, onHolder("iam:PutUserPolicy", user, putUser), putInline(user, putUser, putUserDocument)).large(),
		change(iamOp("PutGroupPolicy"), levelPermissions, onHolder("iam:PutGroupPolicy", group, putGroup), putInline(group, putGroup, putGroupDocument)).large(),
		change(iamOp("PutRolePolicy"), levelPermissions, onHolder("iam:PutRolePolicy", role, putRole), putInline(role, putRole, putRoleDocument)).large(),
		view(iamOp("GetUserPolicy"), levelRead, onHolder("iam:GetUserPolicy", user, getUserPolicy), getInline(user, getUserPolicy, userPolicy)),
		view(iamOp("GetGroupPolicy"), levelRead, onHolder("iam:GetGroupPolicy", group, getGroupPolicy), getInline(group, getGroupPolicy, groupPolicy)),
		view(iamOp("GetRolePolicy"), levelRead, onHolder("iam:GetRolePolicy", role, getRolePolicy), getInline(role, getRolePolicy, rolePolicy)),
		change(iamOp("DeleteUserPolicy"), levelPermissions, onHolder("iam:DeleteUserPolicy", user, deleteUserPolicy), deleteInline(user, deleteUserPolicy)),
		change(iamOp("DeleteGroupPolicy"), levelPermissions, onHolder("iam:DeleteGroupPolicy", group, deleteGroupPolicy), deleteInline(group, deleteGroupPolicy)),
		change(iamOp("DeleteRolePolicy"), levelPermissions, onHolder("iam:DeleteRolePolicy", role, deleteRolePolicy), deleteInline(role, deleteRolePolicy)),
		view(iamOp("ListUserPolicies"), levelList, onUser("iam:ListUserPolicies", inlineUserName), listInlineUser),
		view(iamOp("ListGroupPolicies"), levelList, onGroup("iam:ListGroupPolicies", inlineGroupName), listInlineGroup),
		view(iamOp("ListRolePolicies"), levelList, onRole("iam:ListRolePolicies", inlineRoleName), listInlineRole),
	}
}

func reportRoutes() []*route {
	return []*route{
		view(iamOp("GetAccountSummary"), levelList, onNothing[iamapi.GetAccountSummaryRequest]("iam:GetAccountSummary"), getAccountSummary),
		view(iamOp("GetAccountAuthorizationDetails"), levelRead,
			onNothing[iamapi.GetAccountAuthorizationDetailsRequest]("iam:GetAccountAuthorizationDetails"), authorizationDetails),
		change(iamOp("GenerateCredentialReport"), levelRead,
			onNothing[iamapi.GenerateCredentialReportRequest]("iam:GenerateCredentialReport"), generateCredentialReport),
		view(iamOp("GetCredentialReport"), levelRead, onNothing[iamapi.GetCredentialReportRequest]("iam:GetCredentialReport"), getCredentialReport),
		change(iamOp("GenerateServiceLastAccessedDetails"), levelRead,
			onReported("iam:GenerateServiceLastAccessedDetails", reportedARN), generateServiceReport),
		view(iamOp("GetServiceLastAccessedDetails"), levelRead,
			onNothing[iamapi.GetServiceLastAccessedDetailsRequest]("iam:GetServiceLastAccessedDetails"), getServiceReport),
		view(iamOp("GetServiceLastAccessedDetailsWithEntities"), levelRead,
			onNothing[iamapi.GetServiceLastAccessedDetailsWithEntitiesRequest]("iam:GetServiceLastAccessedDetailsWithEntities"), getServiceReportEntities),
		view(iamOp("ListPoliciesGrantingServiceAccess"), levelList,
			onReported("iam:ListPoliciesGrantingServiceAccess", grantingARN), listPoliciesGranting),
	}
}

// ARNs and names of the inputs, for the table.
func getPolicyARN(in *iamapi.GetPolicyRequest) *string                    { return in.PolicyArn }
func deletePolicyARN(in *iamapi.DeletePolicyRequest) *string              { return in.PolicyArn }
func newVersionARN(in *iamapi.CreatePolicyVersionRequest) *string         { return in.PolicyArn }
func getVersionARN(in *iamapi.GetPolicyVersionRequest) *string            { return in.PolicyArn }
func listVersionsARN(in *iamapi.ListPolicyVersionsRequest) *string        { return in.PolicyArn }
func deleteVersionARN(in *iamapi.DeletePolicyVersionRequest) *string      { return in.PolicyArn }
func defaultVersionARN(in *iamapi.SetDefaultPolicyVersionRequest) *string { return in.PolicyArn }
func tagPolicyARN(in *iamapi.TagPolicyRequest) *string                    { return in.PolicyArn }
func untagPolicyARN(in *iamapi.UntagPolicyRequest) *string                { return in.PolicyArn }
func listPolicyTagsARN(in *iamapi.ListPolicyTagsRequest) *string          { return in.PolicyArn }
func listEntitiesARN(in *iamapi.ListEntitiesForPolicyRequest) *string     { return in.PolicyArn }
func contextKeysARN(in *iamapi.GetContextKeysForPrincipalPolicyRequest) *string {
	return in.PolicySourceArn
}
func reportedARN(in *iamapi.GenerateServiceLastAccessedDetailsRequest) *string { return in.Arn }
func grantingARN(in *iamapi.ListPoliciesGrantingServiceAccessRequest) *string  { return in.Arn }
func attachedUserName(in *iamapi.ListAttachedUserPoliciesRequest) *string      { return in.UserName }
func attachedGroupName(in *iamapi.ListAttachedGroupPoliciesRequest) *string    { return in.GroupName }
func attachedRoleName(in *iamapi.ListAttachedRolePoliciesRequest) *string      { return in.RoleName }
func inlineUserName(in *iamapi.ListUserPoliciesRequest) *string                { return in.UserName }
func inlineGroupName(in *iamapi.ListGroupPoliciesRequest) *string              { return in.GroupName }
func inlineRoleName(in *iamapi.ListRolePoliciesRequest) *string                { return in.RoleName }
func putUserDocument(in *iamapi.PutUserPolicyRequest) *string                  { return in.PolicyDocument }
func putGroupDocument(in *iamapi.PutGroupPolicyRequest) *string                { return in.PolicyDocument }
func putRoleDocument(in *iamapi.PutRolePolicyRequest) *string                  { return in.PolicyDocument }

// Pairs of the inputs: whose policies, and which one.
func attachUser(in *iamapi.AttachUserPolicyRequest) (string, string) {
	return api.Value(in.UserName), api.Value(in.PolicyArn)
}
func attachGroup(in *iamapi.AttachGroupPolicyRequest) (string, string) {
	return api.Value(in.GroupName), api.Value(in.PolicyArn)
}
func attachRole(in *iamapi.AttachRolePolicyRequest) (string, string) {
	return api.Value(in.RoleName), api.Value(in.PolicyArn)
}
func detachUser(in *iamapi.DetachUserPolicyRequest) (string, string) {
	return api.Value(in.UserName), api.Value(in.PolicyArn)
}
func detachGroup(in *iamapi.DetachGroupPolicyRequest) (string, string) {
	return api.Value(in.GroupName), api.Value(in.PolicyArn)
}
func detachRole(in *iamapi.DetachRolePolicyRequest) (string, string) {
	return api.Value(in.RoleName), api.Value(in.PolicyArn)
}
func putUser(in *iamapi.PutUserPolicyRequest) (string, string) {
	return api.Value(in.UserName), api.Value(in.PolicyName)
}
func putGroup(in *iamapi.PutGroupPolicyRequest) (string, string) {
	return api.Value(in.GroupName), api.Value(in.PolicyName)
}
func putRole(in *iamapi.PutRolePolicyRequest) (string, string) {
	return api.Value(in.RoleName), api.Value(in.PolicyName)
}
func getUserPolicy(in *iamapi.GetUserPolicyRequest) (string, string) {
	return api.Value(in.UserName), api.Value(in.PolicyName)
}
func getGroupPolicy(in *iamapi.GetGroupPolicyRequest) (string, string) {
	return api.Value(in.GroupName), api.Value(in.PolicyName)
}
func getRolePolicy(in *iamapi.GetRolePolicyRequest) (string, string) {
	return api.Value(in.RoleName), api.Value(in.PolicyName)
}
func deleteUserPolicy(in *iamapi.DeleteUserPolicyRequest) (string, string) {
	return api.Value(in.UserName), api.Value(in.PolicyName)
}
func deleteGroupPolicy(in *iamapi.DeleteGroupPolicyRequest) (string, string) {
	return api.Value(in.GroupName), api.Value(in.PolicyName)
}
func deleteRolePolicy(in *iamapi.DeleteRolePolicyRequest) (string, string) {
	return api.Value(in.RoleName), api.Value(in.PolicyName)
}

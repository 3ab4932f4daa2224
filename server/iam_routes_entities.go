package server

import (
	"slices"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
)

func iamOp(name string) api.Operation { return operation(iamapi.Service, name) }

// iamEntityRoutes is the part of the table about users, groups, roles, access
// keys and identity providers.
func iamEntityRoutes() []*route {
	rows := []*route{
		change(iamOp("CreateUser"), levelWrite, resolveCreateUser, createUser),
		view(iamOp("GetUser"), levelRead, onUserOrSelf("iam:GetUser", getUserName), getUser),
		change(iamOp("UpdateUser"), levelWrite, resolveUpdateUser, updateUser),
		change(iamOp("DeleteUser"), levelWrite, onUser("iam:DeleteUser", deleteUserName), deleteUser),
		view(iamOp("ListUsers"), levelList, onList("iam:ListUsers", "user", listUsersPath), listUsers),
		change(iamOp("TagUser"), levelTagging, tagging(onUser("iam:TagUser", tagUserName), tagUserFacts), tagUser),
		change(iamOp("UntagUser"), levelTagging, tagging(onUser("iam:UntagUser", untagUserName), untagUserFacts), untagUser),
		view(iamOp("ListUserTags"), levelList, onUser("iam:ListUserTags", listUserTagsName), listUserTags),

		change(iamOp("CreateGroup"), levelWrite, resolveCreateGroup, createGroup),
		view(iamOp("GetGroup"), levelRead, onGroup("iam:GetGroup", getGroupName), getGroup),
		change(iamOp("UpdateGroup"), levelWrite, resolveUpdateGroup, updateGroup),
		change(iamOp("DeleteGroup"), levelWrite, onGroup("iam:DeleteGroup", deleteGroupName), deleteGroup),
		view(iamOp("ListGroups"), levelList, onList("iam:ListGroups", "group", listGroupsPath), listGroups),
		change(iamOp("AddUserToGroup"), levelWrite, onGroup("iam:AddUserToGroup", addToGroupName), addUserToGroup),
		change(iamOp("RemoveUserFromGroup"), levelWrite, onGroup("iam:RemoveUserFromGroup", removeFromGroupName), removeUserFromGroup),
		view(iamOp("ListGroupsForUser"), levelList, onUser("iam:ListGroupsForUser", groupsForUserName), listGroupsForUser),

		change(iamOp("CreateRole"), levelWrite, resolveCreateRole, createRole),
		view(iamOp("GetRole"), levelRead, onRole("iam:GetRole", getRoleName), getRole),
		change(iamOp("UpdateRole"), levelWrite, onRole("iam:UpdateRole", updateRoleName), updateRole),
		change(iamOp("UpdateRoleDescription"), levelWrite, onRole("iam:UpdateRoleDescription", describeRoleName), updateRoleDescription),
		change(iamOp("UpdateAssumeRolePolicy"), levelPermissions, onRole("iam:UpdateAssumeRolePolicy", trustRoleName), updateAssumeRolePolicy),
		change(iamOp("DeleteRole"), levelWrite, onRole("iam:DeleteRole", deleteRoleName), deleteRole),
		view(iamOp("ListRoles"), levelList, onList("iam:ListRoles", "role", listRolesPath), listRoles),
		change(iamOp("TagRole"), levelTagging, tagging(onRole("iam:TagRole", tagRoleName), tagRoleFacts), tagRole),
		change(iamOp("UntagRole"), levelTagging, tagging(onRole("iam:UntagRole", untagRoleName), untagRoleFacts), untagRole),
		view(iamOp("ListRoleTags"), levelList, onRole("iam:ListRoleTags", listRoleTagsName), listRoleTags),

		preparing(change(iamOp("CreateAccessKey"), levelWrite, onUserOrSelf("iam:CreateAccessKey", createKeyUser), createAccessKey), sealAccessKey),
		change(iamOp("UpdateAccessKey"), levelWrite, onUserOrSelf("iam:UpdateAccessKey", updateKeyUser), updateAccessKey),
		change(iamOp("DeleteAccessKey"), levelWrite, onUserOrSelf("iam:DeleteAccessKey", deleteKeyUser), deleteAccessKey),
		view(iamOp("ListAccessKeys"), levelList, onUserOrSelf("iam:ListAccessKeys", listKeysUser), listAccessKeys),
		view(iamOp("GetAccessKeyLastUsed"), levelRead, resolveLastUsed, getAccessKeyLastUsed),

		change(iamOp("CreateAccountAlias"), levelWrite, onNothing[iamapi.CreateAccountAliasRequest]("iam:CreateAccountAlias"), createAccountAlias),
		change(iamOp("DeleteAccountAlias"), levelWrite, onNothing[iamapi.DeleteAccountAliasRequest]("iam:DeleteAccountAlias"), deleteAccountAlias),
		view(iamOp("ListAccountAliases"), levelList, onNothing[iamapi.ListAccountAliasesRequest]("iam:ListAccountAliases"), listAccountAliases),

		change(iamOp("CreateOpenIDConnectProvider"), levelWrite, resolveCreateProvider, createProvider),
		view(iamOp("GetOpenIDConnectProvider"), levelRead, onProvider("iam:GetOpenIDConnectProvider", getProviderARN), getProvider),
		change(iamOp("DeleteOpenIDConnectProvider"), levelWrite, onProvider("iam:DeleteOpenIDConnectProvider", deleteProviderARN), deleteProvider),
		view(iamOp("ListOpenIDConnectProviders"), levelList,
			onAny[iamapi.ListOpenIDConnectProvidersRequest]("iam:ListOpenIDConnectProviders", "oidc-provider"), listProviders),
		change(iamOp("AddClientIDToOpenIDConnectProvider"), levelWrite,
			onProvider("iam:AddClientIDToOpenIDConnectProvider", addClientARN), addClientID),
		change(iamOp("RemoveClientIDFromOpenIDConnectProvider"), levelWrite,
			onProvider("iam:RemoveClientIDFromOpenIDConnectProvider", removeClientARN), removeClientID),
		change(iamOp("UpdateOpenIDConnectProviderThumbprint"), levelWrite,
			onProvider("iam:UpdateOpenIDConnectProviderThumbprint", thumbprintARN), updateThumbprints),
		change(iamOp("TagOpenIDConnectProvider"), levelTagging,
			tagging(onProvider("iam:TagOpenIDConnectProvider", tagProviderARN), tagProviderFacts), tagProvider),
		change(iamOp("UntagOpenIDConnectProvider"), levelTagging,
			tagging(onProvider("iam:UntagOpenIDConnectProvider", untagProviderARN), untagProviderFacts), untagProvider),
		view(iamOp("ListOpenIDConnectProviderTags"), levelList,
			onProvider("iam:ListOpenIDConnectProviderTags", listProviderTagsARN), listProviderTags),
	}
	return slices.Concat(rows, iamMFARoutes(), emptyRoutes())
}

// levelTagging is the access level of operations that only tag.
const levelTagging level = "Tagging"

// Members of the inputs that name a resource, for the table.
func getUserName(in *iamapi.GetUserRequest) *string                          { return in.UserName }
func deleteUserName(in *iamapi.DeleteUserRequest) *string                    { return in.UserName }
func listUsersPath(in *iamapi.ListUsersRequest) *string                      { return in.PathPrefix }
func tagUserName(in *iamapi.TagUserRequest) *string                          { return in.UserName }
func untagUserName(in *iamapi.UntagUserRequest) *string                      { return in.UserName }
func listUserTagsName(in *iamapi.ListUserTagsRequest) *string                { return in.UserName }
func groupsForUserName(in *iamapi.ListGroupsForUserRequest) *string          { return in.UserName }
func getGroupName(in *iamapi.GetGroupRequest) *string                        { return in.GroupName }
func deleteGroupName(in *iamapi.DeleteGroupRequest) *string                  { return in.GroupName }
func listGroupsPath(in *iamapi.ListGroupsRequest) *string                    { return in.PathPrefix }
func addToGroupName(in *iamapi.AddUserToGroupRequest) *string                { return in.GroupName }
func removeFromGroupName(in *iamapi.RemoveUserFromGroupRequest) *string      { return in.GroupName }
func getRoleName(in *iamapi.GetRoleRequest) *string                          { return in.RoleName }
func updateRoleName(in *iamapi.UpdateRoleRequest) *string                    { return in.RoleName }
func describeRoleName(in *iamapi.UpdateRoleDescriptionRequest) *string       { return in.RoleName }
func trustRoleName(in *iamapi.UpdateAssumeRolePolicyRequest) *string         { return in.RoleName }
func deleteRoleName(in *iamapi.DeleteRoleRequest) *string                    { return in.RoleName }
func listRolesPath(in *iamapi.ListRolesRequest) *string                      { return in.PathPrefix }
func tagRoleName(in *iamapi.TagRoleRequest) *string                          { return in.RoleName }
func untagRoleName(in *iamapi.UntagRoleRequest) *string                      { return in.RoleName }
func listRoleTagsName(in *iamapi.ListRoleTagsRequest) *string                { return in.RoleName }
func createKeyUser(in *iamapi.CreateAccessKeyRequest) *string                { return in.UserName }
func updateKeyUser(in *iamapi.UpdateAccessKeyRequest) *string                { return in.UserName }
func deleteKeyUser(in *iamapi.DeleteAccessKeyRequest) *string                { return in.UserName }
func listKeysUser(in *iamapi.ListAccessKeysRequest) *string                  { return in.UserName }
func listSSHUser(in *iamapi.ListSSHPublicKeysRequest) *string                { return in.UserName }
func listSigningUser(in *iamapi.ListSigningCertificatesRequest) *string      { return in.UserName }
func getLoginUser(in *iamapi.GetLoginProfileRequest) *string                 { return in.UserName }
func deleteLoginUser(in *iamapi.DeleteLoginProfileRequest) *string           { return in.UserName }
func listProfilesPath(in *iamapi.ListInstanceProfilesRequest) *string        { return in.PathPrefix }
func listProfilesRole(in *iamapi.ListInstanceProfilesForRoleRequest) *string { return in.RoleName }
func listCertificatesPath(in *iamapi.ListServerCertificatesRequest) *string  { return in.PathPrefix }

func listCredentialsUser(in *iamapi.ListServiceSpecificCredentialsRequest) *string {
	return in.UserName
}

func getProviderARN(in *iamapi.GetOpenIDConnectProviderRequest) *string {
	return in.OpenIDConnectProviderArn
}
func deleteProviderARN(in *iamapi.DeleteOpenIDConnectProviderRequest) *string {
	return in.OpenIDConnectProviderArn
}
func addClientARN(in *iamapi.AddClientIDToOpenIDConnectProviderRequest) *string {
	return in.OpenIDConnectProviderArn
}
func removeClientARN(in *iamapi.RemoveClientIDFromOpenIDConnectProviderRequest) *string {
	return in.OpenIDConnectProviderArn
}
func thumbprintARN(in *iamapi.UpdateOpenIDConnectProviderThumbprintRequest) *string {
	return in.OpenIDConnectProviderArn
}
func tagProviderARN(in *iamapi.TagOpenIDConnectProviderRequest) *string {
	return in.OpenIDConnectProviderArn
}
func untagProviderARN(in *iamapi.UntagOpenIDConnectProviderRequest) *string {
	return in.OpenIDConnectProviderArn
}
func listProviderTagsARN(in *iamapi.ListOpenIDConnectProviderTagsRequest) *string {
	return in.OpenIDConnectProviderArn
}

// Facts about the tags of the inputs, for the table.
func tagUserFacts(in *iamapi.TagUserRequest) []authz.Fact     { return requestTags(in.Tags) }
func untagUserFacts(in *iamapi.UntagUserRequest) []authz.Fact { return tagKeys(in.TagKeys) }
func tagRoleFacts(in *iamapi.TagRoleRequest) []authz.Fact     { return requestTags(in.Tags) }
func untagRoleFacts(in *iamapi.UntagRoleRequest) []authz.Fact { return tagKeys(in.TagKeys) }
func tagProviderFacts(in *iamapi.TagOpenIDConnectProviderRequest) []authz.Fact {
	return requestTags(in.Tags)
}
func untagProviderFacts(in *iamapi.UntagOpenIDConnectProviderRequest) []authz.Fact {
	return tagKeys(in.TagKeys)
}

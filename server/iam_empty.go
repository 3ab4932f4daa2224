package server

import (
	"net/http"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

// Tools that clean up an account or describe a user ask for things that are not
// kept here: passwords, certificates, instance profiles. They are told that there
// are none, so that they go on.

// none answers with an empty list, after exists has found whose list it would be.
func none[I, O any](empty O, exists func(*Server, *call, kms.Tx, *I) error) func(*Server, *call, kms.Tx, *I) (*O, error) {
	return func(s *Server, c *call, tx kms.Tx, in *I) (*O, error) {
		if exists != nil {
			if err := exists(s, c, tx, in); err != nil {
				return nil, err
			}
		}
		out := empty
		return &out, nil
	}
}

// ofUser refuses with NoSuchEntity when the user is missing; nil names the caller.
func ofUser[I any](name func(*I) *string) func(*Server, *call, kms.Tx, *I) error {
	return func(s *Server, c *call, tx kms.Tx, in *I) error {
		user, err := s.userOrSelf(c, tx, name(in))
		if err != nil || user == "" {
			return err
		}
		_, err = s.IAM.User(c.ctx, tx, user)
		return err
	}
}

func roleExists(s *Server, c *call, tx kms.Tx, in *iamapi.ListInstanceProfilesForRoleRequest) error {
	_, err := s.IAM.Role(c.ctx, tx, *in.RoleName)
	return err
}

func emptyRoutes() []*route {
	no := new(false)
	return []*route{
		view(iamOp("ListInstanceProfiles"), levelList, onList("iam:ListInstanceProfiles", "instance-profile", listProfilesPath),
			none[iamapi.ListInstanceProfilesRequest](iamapi.ListInstanceProfilesResponse{InstanceProfiles: []iamapi.InstanceProfile{}, IsTruncated: no}, nil)),
		view(iamOp("ListInstanceProfilesForRole"), levelList, onRole("iam:ListInstanceProfilesForRole", listProfilesRole),
			none(iamapi.ListInstanceProfilesForRoleResponse{InstanceProfiles: []iamapi.InstanceProfile{}, IsTruncated: no}, roleExists)),
		view(iamOp("ListServerCertificates"), levelList, onList("iam:ListServerCertificates", "server-certificate", listCertificatesPath),
			none[iamapi.ListServerCertificatesRequest](iamapi.ListServerCertificatesResponse{
				ServerCertificateMetadataList: []iamapi.ServerCertificateMetadata{}, IsTruncated: no}, nil)),
		view(iamOp("ListSAMLProviders"), levelList, onAny[iamapi.ListSAMLProvidersRequest]("iam:ListSAMLProviders", "saml-provider"),
			none[iamapi.ListSAMLProvidersRequest](iamapi.ListSAMLProvidersResponse{SAMLProviderList: []iamapi.SAMLProviderListEntry{}}, nil)),
		view(iamOp("ListSSHPublicKeys"), levelList, onUserOrSelf("iam:ListSSHPublicKeys", listSSHUser),
			none(iamapi.ListSSHPublicKeysResponse{SSHPublicKeys: []iamapi.SSHPublicKeyMetadata{}, IsTruncated: no}, ofUser(listSSHUser))),
		view(iamOp("ListSigningCertificates"), levelList, onUserOrSelf("iam:ListSigningCertificates", listSigningUser),
			none(iamapi.ListSigningCertificatesResponse{Certificates: []iamapi.SigningCertificate{}, IsTruncated: no}, ofUser(listSigningUser))),
		view(iamOp("ListServiceSpecificCredentials"), levelList, resolveServiceCredentials, listServiceCredentials),

		view(iamOp("GetLoginProfile"), levelRead, onUserOrSelf("iam:GetLoginProfile", getLoginUser), getLoginProfile),
		change(iamOp("DeleteLoginProfile"), levelWrite, onUserOrSelf("iam:DeleteLoginProfile", deleteLoginUser), deleteLoginProfile),
		view(iamOp("GetAccountPasswordPolicy"), levelRead,
			onNothing[iamapi.GetAccountPasswordPolicyRequest]("iam:GetAccountPasswordPolicy"), getPasswordPolicy),
		change(iamOp("DeleteAccountPasswordPolicy"), levelWrite,
			onNothing[iamapi.DeleteAccountPasswordPolicyRequest]("iam:DeleteAccountPasswordPolicy"), deletePasswordPolicy),
	}
}

// onAny resolves an operation on all of a kind, where there are no paths.
func onAny[I any](action, kind string) resolver[I] {
	return func(s *Server, _ *call, _ kms.Tx, _ *I) ([]authz.Check, error) {
		return []authz.Check{{Action: action, Resource: s.IAM.ARN(kind, "/", "*")}}, nil
	}
}

func resolveServiceCredentials(s *Server, c *call, tx kms.Tx, in *iamapi.ListServiceSpecificCredentialsRequest) ([]authz.Check, error) {
	const action = "iam:ListServiceSpecificCredentials"
	if api.Value(in.AllUsers) {
		return []authz.Check{{Action: action, Resource: s.IAM.ARN(iam.KindUser, "/", "*")}}, nil
	}
	return onUserOrSelf(action, listCredentialsUser)(s, c, tx, in)
}

func listServiceCredentials(s *Server, c *call, tx kms.Tx, in *iamapi.ListServiceSpecificCredentialsRequest) (*iamapi.ListServiceSpecificCredentialsResponse, error) {
	if !api.Value(in.AllUsers) {
		if err := ofUser(listCredentialsUser)(s, c, tx, in); err != nil {
			return nil, err
		}
	}
	return &iamapi.ListServiceSpecificCredentialsResponse{
		ServiceSpecificCredentials: []iamapi.ServiceSpecificCredentialMetadata{}, IsTruncated: new(false),
	}, nil
}

func missing(format string) *iam.Error {
	return &iam.Error{Code: iam.CodeNoSuchEntity, Message: format, Status: http.StatusNotFound}
}

// noPassword says that a user has no password: nobody has one here.
func noPassword(s *Server, c *call, tx kms.Tx, name *string) error {
	user, err := s.userOrSelf(c, tx, name)
	if err != nil {
		return err
	}
	if user == "" {
		return missing("Login Profile for User " + iam.Root(s.Account).ARN + " cannot be found.")
	}
	u, err := s.IAM.User(c.ctx, tx, user)
	if err != nil {
		return err
	}
	return missing("Login Profile for User " + u.Name + " cannot be found.")
}

func getLoginProfile(s *Server, c *call, tx kms.Tx, in *iamapi.GetLoginProfileRequest) (*iamapi.GetLoginProfileResponse, error) {
	return nil, noPassword(s, c, tx, in.UserName)
}

func deleteLoginProfile(s *Server, c *call, tx kms.Tx, in *iamapi.DeleteLoginProfileRequest) (*nothing, error) {
	return nil, noPassword(s, c, tx, in.UserName)
}

func getPasswordPolicy(s *Server, _ *call, _ kms.Tx, _ *iamapi.GetAccountPasswordPolicyRequest) (*iamapi.GetAccountPasswordPolicyResponse, error) {
	return nil, missing("The Password Policy with domain name " + s.Account + " cannot be found.")
}

func deletePasswordPolicy(*Server, *call, kms.Tx, *iamapi.DeleteAccountPasswordPolicyRequest) (*nothing, error) {
	return nil, missing("The account policy with name PasswordPolicy cannot be found.")
}

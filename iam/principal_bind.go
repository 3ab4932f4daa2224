package iam

import "strings"

// BindPrincipal gives what stands for the grantee of a grant, or who retires it:
// of this account the unique id of a user or role, and of a role's session that
// with the session's name (AROA…:name), so that nobody made later under an old
// name is meant (rule 2.4); of an account, a federated user or another account
// the ARN as it is. It takes what it gives, too, as long as somebody has the id.
// It refuses with ErrNoPrincipal who does not exist, and what cannot be meant: a
// group, a service, everybody.
func (s *Service) BindPrincipal(tx Tx, principal string) (string, error) {
	if id, session, ok := strings.Cut(principal, ":"); ok && isUniqueID(id) && validSession(session) {
		_, err := s.PrincipalARN(tx, id)
		return principal, err
	}
	name, own := strings.CutPrefix(principal, "arn:aws:sts::"+s.account+":assumed-role/")
	if !own {
		return s.ResolvePrincipal(tx, principal)
	}
	role, session, _ := strings.Cut(name, "/")
	if !validSession(session) {
		return "", ErrNoPrincipal
	}
	r, err := inTx[Role](tx, KindRole, role)
	if isNoSuch(err) || err == nil && r.Name != role {
		return "", ErrNoPrincipal
	}
	if err != nil {
		return "", err
	}
	return r.ID + ":" + session, nil
}

// ShownPrincipal is the ARN of what BindPrincipal gave; of somebody who is gone it
// is the id.
func (s *Service) ShownPrincipal(tx Tx, bound string) string {
	id, session, isSession := strings.Cut(bound, ":")
	if !isUniqueID(id) {
		return bound
	}
	arn, err := s.PrincipalARN(tx, id)
	if err != nil {
		return bound
	}
	if !isSession {
		return arn
	}
	return "arn:aws:sts::" + s.account + ":assumed-role/" + arn[strings.LastIndexByte(arn, '/')+1:] + "/" + session
}

// validSession reports whether s has the form of a session's name.
func validSession(s string) bool {
	return len(s) >= 2 && len(s) <= 64 && !strings.ContainsAny(s, "/:")
}

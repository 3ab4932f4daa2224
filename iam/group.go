package iam

import "strings"

// CreateGroup makes a group without members. Path "" means "/".
func (s *Service) CreateGroup(tx Tx, name, path string) (*Group, error) {
	if err := checkName(KindGroup, name); err != nil {
		return nil, err
	}
	path, err := checkPath(path)
	if err != nil {
		return nil, err
	}
	g := &Group{Version: 1, Name: name, Path: path, ID: newID(prefixGroup), Account: s.account, Created: s.now()}
	return g, enter(tx, KindGroup, g.Name, g.ID, g)
}

// UpdateGroup gives a group another name or path; members and policies stay.
func (s *Service) UpdateGroup(tx Tx, name string, to Rename) error {
	g, err := inTx[Group](tx, KindGroup, name)
	if err != nil {
		return err
	}
	if err := to.check(KindGroup); err != nil {
		return err
	}
	if to.Name != "" {
		if err := move(tx, KindGroup, g.ID, g.Name, to.Name, ""); err != nil {
			return err
		}
		g.Name = to.Name
	}
	if to.Path != "" {
		g.Path = to.Path
	}
	return put(tx, entityPath(KindGroup, g.Name), g)
}

// DeleteGroup removes a group without members and policies; DeleteConflict
// otherwise.
func (s *Service) DeleteGroup(tx Tx, name string) error {
	g, err := inTx[Group](tx, KindGroup, name)
	if err != nil {
		return err
	}
	lower := strings.ToLower(g.Name)
	if some(tx, members+lower+"/") {
		return refuse(CodeDeleteConflict, "Cannot delete entity, must remove users from group first.")
	}
	if err := holdsPolicies(tx, KindGroup, lower); err != nil {
		return err
	}
	return leave(tx, KindGroup, g.Name, g.ID)
}

// ListGroups gives one page of the groups whose path begins with pathPrefix.
func (s *Service) ListGroups(tx Tx, pathPrefix string, p Page) ([]*Group, string, error) {
	return list(tx, groups, p, below(pathPrefix, func(g *Group) string { return g.Path }))
}

package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
)

// rootKeysPath is the record of the key service that names the token which the state
// was made with.
const rootKeysPath = "kms/root"

// madeWith is that token; false if the record does not say.
func madeWith(db store.DB) (token hsm.Info, known bool) {
	var root struct{ Token hsm.Info }
	err := db.View(context.Background(), func(tx store.Tx) error {
		value, err := tx.Get(rootKeysPath)
		if err != nil {
			return err
		}
		return json.Unmarshal(value, &root)
	})
	return root.Token, err == nil && root.Token != hsm.Info{}
}

// madeSealed is madeWith if that is a token of keyd's own, as those are that are
// sealed to cards.
func madeSealed(db store.DB) (hsm.Info, bool) {
	token, known := madeWith(db)
	return token, known && token.Manufacturer == "keyd" && token.Model == "host memory"
}

func tokenFileMissing(path string, made hsm.Info) error {
	return fmt.Errorf("%s: missing: the state was made with token %s, and no key opens without that file", path, made)
}

// noSealedToken is the error of a data directory without the file of a token. Where
// there is an appliance all the same, init would be the wrong thing to do.
func noSealedToken(dir string) error {
	none := fmt.Errorf("%s: no token that is sealed to a card", dir)
	db, err := bolt.Open(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return hinted(none, "keyd init --token piv: makes one")
	}
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := readAppliance(db); errors.Is(err, errNoAppliance) { // left by an init that was interrupted
		return hinted(none, "keyd init --token piv: makes one")
	} else if err != nil {
		return err
	}
	made, is := madeSealed(db)
	if is {
		return hinted(tokenFileMissing(filepath.Join(dir, rootedFile), made), "restore %s from a backup", rootedFile)
	}
	return hinted(none, "the appliance was made with token %s: name that in token.uri", made)
}

package command

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/kms"
)

// ClusterConfig is a further token, which CreateCustomKeyStore can make a custom
// key store of. Its PIN is not in the configuration: it is the KeyStorePassword.
type ClusterConfig struct {
	// ClusterID is how requests name it, as in cluster-234567abcde. Needed.
	ClusterID string `yaml:"cluster_id"`
	// TrustAnchor is a PEM file with the certificate that CreateCustomKeyStore must
	// give as TrustAnchorCertificate. Default: any or none will do.
	TrustAnchor string `yaml:"trust_anchor"`
	// The token is named as the appliance's own is, without pin_file.
	TokenConfig `yaml:",inline"`
}

// clusterID is AWS's form.
var clusterID = regexp.MustCompile(`^cluster-[2-7a-zA-Z]{11,16}$`)

// checkClusters refuses further tokens that cannot be meant.
func checkClusters(clusters []ClusterConfig) error {
	seen := make(map[string]bool)
	for _, c := range clusters {
		uri, err := c.uri()
		switch {
		case !clusterID.MatchString(c.ClusterID):
			return fmt.Errorf("custom_key_stores: cluster_id %q: want cluster- and 11 to 16 letters or digits from 2 to 7", c.ClusterID)
		case seen[c.ClusterID]:
			return fmt.Errorf("custom_key_stores: cluster_id %s stands twice", c.ClusterID)
		case err != nil:
			return fmt.Errorf("custom_key_stores: %s: %w", c.ClusterID, err)
		case c.Module == "" && uri.ModulePath == "":
			return fmt.Errorf("custom_key_stores: %s: module is not set", c.ClusterID)
		case c.PINFile != "":
			return fmt.Errorf("custom_key_stores: %s: no pin_file: the PIN is the KeyStorePassword of CreateCustomKeyStore", c.ClusterID)
		}
		seen[c.ClusterID] = true
	}
	return nil
}

// clusters are the further tokens as the key service knows them. None is opened:
// one that is away keeps nothing from starting.
func clusters(configs []ClusterConfig) (map[string]kms.Cluster, error) {
	all := make(map[string]kms.Cluster, len(configs))
	for _, c := range configs {
		uri, err := c.uri()
		if err != nil {
			return nil, err
		}
		anchor, err := trustAnchor(c.TrustAnchor)
		if err != nil {
			return nil, usage(fmt.Errorf("custom_key_stores: %s: %w", c.ClusterID, err), "name a PEM file, or leave trust_anchor out")
		}
		all[c.ClusterID] = cluster(anchor, pkcs11.Config{
			Module: c.Module, Token: uri, MaxSessions: c.MaxSessions, MaxHandles: c.MaxHandles,
		})
	}
	return all, nil
}

func cluster(anchor string, token pkcs11.Config) kms.Cluster {
	return kms.Cluster{TrustAnchor: anchor, Open: func(ctx context.Context, pin string) (hsm.Token, error) {
		token := token
		token.PIN = pkcs11.NewPIN(pin)
		opened, err := pkcs11.Open(ctx, token)
		if err != nil {
			return nil, err // not a *pkcs11.Token that is nil
		}
		return opened, nil
	}}
}

func trustAnchor(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if block, _ := pem.Decode(text); block == nil || block.Type != "CERTIFICATE" {
		return "", errors.New("trust_anchor " + path + ": not a certificate in PEM")
	}
	return string(text), nil
}

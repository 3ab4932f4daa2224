package command

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/term"
)

// keyDoc is the JSON of a key: KMS's KeyMetadata, the names of its aliases, and
// when it was last used.
type keyDoc struct {
	KeyID                  string `json:"KeyId"`
	ARN                    string `json:"Arn"`
	Account                string `json:"AWSAccountId"`
	Aliases                []string
	Description            string
	Enabled                bool
	KeyState               types.KeyState
	KeySpec                types.KeySpec
	KeyUsage               types.KeyUsageType
	KeyManager             types.KeyManagerType
	Origin                 types.OriginType
	MultiRegion            bool
	MultiRegionConfig      *multiRegionDoc `json:"MultiRegionConfiguration,omitempty"`
	EncryptionAlgorithms   []types.EncryptionAlgorithmSpec
	SigningAlgorithms      []types.SigningAlgorithmSpec      `json:",omitempty"`
	MacAlgorithms          []types.MacAlgorithmSpec          `json:",omitempty"`
	KeyAgreementAlgorithms []types.KeyAgreementAlgorithmSpec `json:",omitempty"`
	CustomKeyStoreID       string                            `json:"CustomKeyStoreId,omitempty"`
	CloudHSMClusterID      string                            `json:"CloudHsmClusterId,omitempty"`
	CurrentKeyMaterialID   string                            `json:"CurrentKeyMaterialId,omitempty"`
	ExpirationModel        types.ExpirationModelType         `json:",omitempty"`
	ValidTo                *time.Time                        `json:",omitempty"`
	CreationDate           time.Time
	DeletionDate           *time.Time  `json:",omitempty"`
	PendingWindowInDays    int32       `json:"PendingDeletionWindowInDays,omitempty"`
	KeyLastUsage           *lastUseDoc `json:",omitempty"`
}

// multiRegionDoc says which keys share a key's material.
type multiRegionDoc struct {
	MultiRegionKeyType types.MultiRegionKeyType
	PrimaryKey         regionKeyDoc
	ReplicaKeys        []regionKeyDoc
}

type regionKeyDoc struct {
	ARN    string `json:"Arn"`
	Region string
}

func newKeyDoc(m *types.KeyMetadata, aliases []string) keyDoc {
	return keyDoc{
		KeyID: aws.ToString(m.KeyId), ARN: aws.ToString(m.Arn), Account: aws.ToString(m.AWSAccountId),
		Aliases: notNull(aliases), Description: aws.ToString(m.Description), Enabled: m.Enabled,
		KeyState: m.KeyState, KeySpec: m.KeySpec, KeyUsage: m.KeyUsage, KeyManager: m.KeyManager,
		Origin: m.Origin, MultiRegion: aws.ToBool(m.MultiRegion), MultiRegionConfig: newMultiRegionDoc(m.MultiRegionConfiguration),
		EncryptionAlgorithms: notNull(m.EncryptionAlgorithms), SigningAlgorithms: m.SigningAlgorithms,
		MacAlgorithms: m.MacAlgorithms, KeyAgreementAlgorithms: m.KeyAgreementAlgorithms,
		CustomKeyStoreID: aws.ToString(m.CustomKeyStoreId), CloudHSMClusterID: aws.ToString(m.CloudHsmClusterId),
		CurrentKeyMaterialID: aws.ToString(m.CurrentKeyMaterialId), ExpirationModel: m.ExpirationModel, ValidTo: m.ValidTo,
		CreationDate: aws.ToTime(m.CreationDate).UTC(), DeletionDate: m.DeletionDate,
		PendingWindowInDays: aws.ToInt32(m.PendingDeletionWindowInDays),
	}
}

func newMultiRegionDoc(m *types.MultiRegionConfiguration) *multiRegionDoc {
	if m == nil {
		return nil
	}
	doc := &multiRegionDoc{MultiRegionKeyType: m.MultiRegionKeyType, ReplicaKeys: []regionKeyDoc{}}
	if p := m.PrimaryKey; p != nil {
		doc.PrimaryKey = regionKeyDoc{aws.ToString(p.Arn), aws.ToString(p.Region)}
	}
	for _, r := range m.ReplicaKeys {
		doc.ReplicaKeys = append(doc.ReplicaKeys, regionKeyDoc{aws.ToString(r.Arn), aws.ToString(r.Region)})
	}
	return doc
}

// algorithms are all that the key is good for.
func (k keyDoc) algorithms() string {
	return strings.Join(slices.DeleteFunc([]string{
		join(k.EncryptionAlgorithms, " "), join(k.SigningAlgorithms, " "), join(k.MacAlgorithms, " "), join(k.KeyAgreementAlgorithms, " "),
	}, func(s string) bool { return s == "" }), " ")
}

// table shows what every key has, and of the rest what this one has.
func (k keyDoc) table() *term.Table {
	t := term.NewTable()
	some := func(name, value string) {
		if value != "" {
			t.Row(name, value)
		}
	}
	t.Row("key", k.KeyID)
	t.Row("arn", k.ARN)
	t.Row("aliases", orDash(strings.Join(k.Aliases, " ")))
	t.Row("state", string(k.KeyState))
	if k.DeletionDate != nil {
		t.Row("deletion", when(*k.DeletionDate))
	}
	t.Row("spec", string(k.KeySpec))
	t.Row("usage", string(k.KeyUsage))
	if k.KeySpec != types.KeySpecSymmetricDefault {
		some("algorithms", k.algorithms())
	}
	t.Row("origin", string(k.Origin))
	some("key store", k.CustomKeyStoreID)
	some("material", k.CurrentKeyMaterialID)
	if k.ValidTo != nil {
		t.Row("expires", when(*k.ValidTo))
	}
	some("multi-region", k.MultiRegionConfig.String())
	t.Row("created", when(k.CreationDate))
	if k.KeyLastUsage != nil {
		t.Row("last used", k.KeyLastUsage.String())
	}
	t.Row("description", orDash(k.Description))
	if k.KeyState == types.KeyStatePendingImport {
		t.Row("to do", "give it its material: keyctl key import "+k.KeyID+" FILE")
	}
	return t
}

// String is "PRIMARY, replicas in eu-1 us-1", or "" for a key of one region.
func (m *multiRegionDoc) String() string {
	if m == nil {
		return ""
	}
	if m.MultiRegionKeyType == types.MultiRegionKeyTypeReplica {
		return "REPLICA, primary in " + m.PrimaryKey.Region
	}
	if len(m.ReplicaKeys) == 0 {
		return "PRIMARY, no replicas"
	}
	text := "PRIMARY, replicas in"
	for _, r := range m.ReplicaKeys {
		text += " " + r.Region
	}
	return text
}

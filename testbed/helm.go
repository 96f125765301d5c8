package testbed

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	helmModule        = "helm.sh/helm/v3/cmd/helm"
	helmVersion       = "v3.22.0"
	kubeconformModule = "github.com/yannh/kubeconform/cmd/kubeconform"
	kubeconform       = "v0.8.0"
	kubernetesSchemas = "kubernetes-validate==1.37.0" // of PyPI: the JSON Schemas of Kubernetes 1.25 to 1.37
	kedaModule        = "github.com/kedacore/keda/v2@v2.21.0"
	prometheusModule  = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
)

// Helm returns the path of helm. It is compiled if it isn't in the cache, which takes minutes.
func Helm(ctx context.Context) (string, error) {
	return goProgram(ctx, "helm", helmModule, helmVersion)
}

// Kubeconform returns the path of kubeconform, which checks Kubernetes objects by JSON Schemas.
func Kubeconform(ctx context.Context) (string, error) {
	return goProgram(ctx, "kubeconform", kubeconformModule, kubeconform)
}

func goProgram(ctx context.Context, name, module, version string) (string, error) {
	path, err := cached(name+"-"+version, func(dir string) (string, error) {
		return filepath.Join(dir, name), goInstall(ctx, dir, module+"@"+version)
	})
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	return path, nil
}

// KubernetesSchemas returns a folder with the JSON Schemas of a version of Kubernetes ("1.37.0", or another minor version from
// 1.25 on): a file for each kind and version of its API ("deployment-apps-v1.json"), which know no fields but the listed ones.
func KubernetesSchemas(ctx context.Context, version string) (string, error) {
	path, err := cached("kubernetes-schemas-"+version, func(dir string) (string, error) {
		wheel, err := pipDownload(ctx, dir, kubernetesSchemas)
		if err != nil {
			return "", err
		}
		to := filepath.Join(dir, "schemas")
		return to, unpackSchemas(wheel, "kubernetes_validate/kubernetes-json-schema/v"+version+"-local-strict/", to)
	})
	if err != nil {
		return "", fmt.Errorf("get the schemas of Kubernetes %s: %w", version, err)
	}
	return path, nil
}

// pipDownload downloads a package of PyPI that has no code for one kind of machine, and returns its file, a zip.
func pipDownload(ctx context.Context, dir, what string) (string, error) {
	python, err := findVenv()
	if err != nil {
		return "", fmt.Errorf("%w (Debian: apt-get install python3 python3-venv)", err)
	}
	venv := filepath.Join(dir, "venv") // Debian's own Python may have no pip
	if err := output(exec.CommandContext(ctx, python, "-m", "venv", venv), "python3 -m venv"); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, venvPython(venv), "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", dir, what)
	if err := output(cmd, "pip download "+what); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err == nil && len(files) != 1 {
		err = fmt.Errorf("pip download %s: %d files", what, len(files))
	}
	if err != nil {
		return "", err
	}
	return files[0], nil
}

// unpackSchemas unpacks the files of a zip's folder.
func unpackSchemas(wheel, folder, to string) error {
	data, err := os.ReadFile(wheel)
	if err != nil {
		return err
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	found := false
	for _, entry := range z.File {
		name, ok := strings.CutPrefix(entry.Name, folder)
		if !ok || strings.Contains(name, "/") || !strings.HasSuffix(name, ".json") {
			continue
		}
		found = true
		if err := unpackSchema(entry, filepath.Join(to, name)); err != nil {
			return fmt.Errorf("unpack %s: %w", entry.Name, err)
		}
	}
	if !found {
		return fmt.Errorf("%s has no %s", filepath.Base(wheel), folder)
	}
	return nil
}

// unpackSchema writes a schema so that it can be read from any folder: without an address of its own, and with a
// relative one for what it refers to.
func unpackSchema(entry *zip.File, to string) error {
	f, err := entry.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	var schema map[string]any
	if err := json.Unmarshal(bytes.ReplaceAll(data, []byte(`"/api/_definitions.json#`), []byte(`"_definitions.json#`)), &schema); err != nil {
		return err
	}
	delete(schema, "$id")
	if data, err = json.Marshal(schema); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// KEDA returns the folder of KEDA's sources: config/crd/bases has the definitions of its objects, schema/generated
// what its triggers take.
func KEDA(ctx context.Context) (string, error) { return moduleDir(ctx, kedaModule) }

// PrometheusOperator returns the folder of its sources: example/prometheus-operator-crd has the definitions of its objects.
func PrometheusOperator(ctx context.Context) (string, error) { return moduleDir(ctx, prometheusModule) }

// moduleDir downloads a module into Go's own cache.
func moduleDir(ctx context.Context, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = os.TempDir() // out of sight of this module's go.mod
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	Contain(cmd)
	out, err := cmd.Output()
	var got struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &got); jsonErr == nil && got.Error != "" {
		err = errors.New(got.Error)
	}
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w", module, err)
	}
	return got.Dir, nil
}

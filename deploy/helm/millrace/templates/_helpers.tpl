{{/* The name of the release's objects. 40 characters leave room for an entry's name: a pod's name has 63. */}}
{{- define "millrace.name" -}}
{{- default .Release.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "millrace.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "millrace.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* Labels that all objects of the release have. */}}
{{- define "millrace.labels" -}}
app.kubernetes.io/name: millrace
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{/* Labels that tell the pods of one file from all others. They never change: a Deployment's selector can't. */}}
{{- define "millrace.selector" -}}
app.kubernetes.io/name: millrace
app.kubernetes.io/instance: {{ .release | quote }}
app.kubernetes.io/component: {{ .name | quote }}
{{- end }}

{{/*
The files of the release, as YAML: items, a list with the settings of each, and its name in name. An entry's
settings are laid over the release's key by key, because merge takes false and 0 for settings that are missing.
*/}}
{{- define "millrace.files" -}}
{{- if and .Values.config .Values.connectors }}{{ fail "set config or connectors, not both" }}{{ end -}}
{{- if not (or .Values.config .Values.connectors) }}{{ fail "set config, the text of a connector file, or connectors" }}{{ end -}}
{{- $name := include "millrace.name" . -}}
{{- $entries := .Values.connectors -}}
{{- if .Values.config }}{{ $entries = dict "" (dict) }}{{ end -}}
{{- $items := list -}}
{{- range $key, $own := $entries -}}
{{- $item := dict -}}
{{- range $k, $v := $.Values }}{{ $_ := set $item $k $v }}{{ end -}}
{{- range $k, $v := $own -}}
{{- $over := $v -}}
{{- if and (kindIs "map" $v) (kindIs "map" (index $item $k)) -}}
{{- $over = dict -}}
{{- range $k2, $v2 := index $item $k }}{{ $_ := set $over $k2 $v2 }}{{ end -}}
{{- range $k2, $v2 := $v }}{{ $_ := set $over $k2 $v2 }}{{ end -}}
{{- end -}}
{{- $_ := set $item $k $over -}}
{{- end -}}
{{- $_ := set $item "name" (ternary $name (printf "%s-%s" $name $key) (eq $key "")) -}}
{{- $_ := set $item "release" $.Release.Name -}}
{{- $_ := unset $item "connectors" -}}
{{- if and $item.static (not (contains "${POD_NAME" $item.config)) -}}
{{- fail (printf "%s is static: its file must say instance_id: \"${POD_NAME}\"" $item.name) -}}
{{- end -}}
{{- $_ := set $item "grace" (include "millrace.grace" $item | int) -}}
{{- if and (gt (int $item.partitions) 0) (gt (int $item.replicas) (int $item.partitions)) -}}
{{- fail (printf "%s: %d replicas for %d partitions; the others would be idle" $item.name (int $item.replicas) (int $item.partitions)) -}}
{{- end -}}
{{- $items = append $items $item -}}
{{- end -}}
{{- toYaml (dict "items" $items) -}}
{{- end }}

{{/* The grace period of a file's pods: its longest drain_timeout, 20 s by default, and 15 s for the last commit. */}}
{{- define "millrace.grace" -}}
{{- $most := 0 -}}
{{- $given := int .terminationGracePeriodSeconds -}}
{{- range $text := splitList "\n---" .config -}}
{{- $document := fromYaml $text -}}
{{- with $document.Error }}{{ fail (printf "the file of %s isn't YAML: %s" $.name .) }}{{ end -}}
{{- $drain := default "20s" $document.drain_timeout | toString -}}
{{- if regexMatch "^([0-9]+(\\.[0-9]+)?(d|h|m|s|ms))+$" $drain -}}
{{- $most = max $most (include "millrace.seconds" $drain | int) -}}
{{- else if not $given -}}
{{- fail (printf "%s: drain_timeout is %s, which the chart can't read: set terminationGracePeriodSeconds above it" $.name $drain) -}}
{{- end -}}
{{- end -}}
{{- if and $given (le $given (int $most)) -}}
{{- fail (printf "%s: terminationGracePeriodSeconds is %d, not above drain_timeout, which is %d s" .name $given (int $most)) -}}
{{- end -}}
{{- $given | default (add $most 15) -}}
{{- end }}

{{/* The seconds of a duration such as 1m30s, rounded up. */}}
{{- define "millrace.seconds" -}}
{{- $units := dict "d" 86400000 "h" 3600000 "m" 60000 "s" 1000 "ms" 1 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+[a-z]+" . -1 -}}
{{- $sum = addf $sum (mulf (regexFind "^[0-9.]+" . | float64) (index $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- ceil (divf $sum 1000) -}}
{{- end }}

{{/* The pods of a file: a dict of root and file. */}}
{{- define "millrace.pod" -}}
{{- $root := .root -}}
{{- $f := .file -}}
metadata:
  labels:
    {{- include "millrace.selector" $f | nindent 4 }}
    {{- with $f.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    millrace.io/config: {{ $f.config | sha256sum | quote }} # another file makes new pods
    {{- with $f.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "millrace.serviceAccount" $root | quote }}
  automountServiceAccountToken: false # no pod asks Kubernetes; IRSA mounts a token of its own
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ int $f.grace }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile:
      type: RuntimeDefault
  {{- with $f.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $f.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- range $k := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
  {{- with index $f $k }}
  {{ $k }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  containers:
    - name: millrace
      image: {{ printf "%s:%s" $f.image.repository (default $root.Chart.AppVersion $f.image.tag) | quote }}
      imagePullPolicy: {{ $f.image.pullPolicy }}
      args:
        - run
        - --http=:{{ int $f.httpPort }}
        {{- with $f.budget }}
        - --budget={{ . }}
        {{- end }}
        {{- if $f.control.secret }}
        - --control=localhost:7780
        {{- end }}
        - --log={{ $f.log }}
        - --log-level={{ $f.logLevel }}
        {{- range $f.extraArgs }}
        - {{ . | quote }}
        {{- end }}
        - /etc/millrace/connector.yaml
      env:
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        {{- if $f.control.secret }}
        - name: MILLRACE_CONTROL_TOKEN
          valueFrom:
            secretKeyRef:
              name: {{ $f.control.secret | quote }}
              key: {{ $f.control.key | quote }}
        {{- end }}
        {{- with $f.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $f.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: {{ int $f.httpPort }}
      livenessProbe:
        httpGet:
          path: /healthz
          port: http
        initialDelaySeconds: 5
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet:
          path: /readyz
          port: http
        periodSeconds: 5
        timeoutSeconds: 5
      securityContext:
        allowPrivilegeEscalation: false
        privileged: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      resources:
        {{- toYaml $f.resources | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/millrace
          readOnly: true
        {{- with $f.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ $f.name | quote }}
    {{- with $f.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "bowline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "bowline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "bowline.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "bowline.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "bowline.selector" -}}
app.kubernetes.io/name: {{ include "bowline.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
deploy: velero
{{- end -}}

{{/* component: velero is how Velero's tools and `uninstall` find what is theirs. */}}
{{- define "bowline.labels" -}}
{{ include "bowline.selector" . }}
component: velero
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "bowline.serviceAccount" -}}
{{- if .Values.serviceAccount.server.create -}}
{{- default (include "bowline.fullname" .) .Values.serviceAccount.server.name -}}
{{- else -}}
{{- required "serviceAccount.server.name is needed when serviceAccount.server.create is false" .Values.serviceAccount.server.name -}}
{{- end -}}
{{- end -}}

{{- define "bowline.secret" -}}
{{- default (default (include "bowline.fullname" .) .Values.credentials.name) .Values.credentials.existingSecret -}}
{{- end -}}

{{- define "bowline.image" -}}
{{- $version := default .Chart.AppVersion .Values.image.tag -}}
{{- with .Values.image.digest -}}
{{- printf "%s@%s" $.Values.image.repository . -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository $version -}}
{{- end -}}
{{- end -}}

{{/* Names of cluster-scoped objects: two releases may stand side by side. */}}
{{- define "bowline.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "bowline.fullname" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The server's arguments: each value of `configuration` that is set, as its flag. */}}
{{- define "bowline.arguments" -}}
- server
- --scratch-dir=/scratch
{{- $flags := dict "clientQPS" "client-qps" "defaultBackupTTL" "default-backup-ttl" "restoreOnlyMode" "restore-only" -}}
{{- range $key, $value := omit .Values.configuration "backupStorageLocation" "volumeSnapshotLocation" "extraArgs" "extraEnvVars" }}
{{- if not (kindIs "invalid" $value) }}
{{- $flag := default (kebabcase $key) (get $flags $key) }}
{{- $text := kindIs "slice" $value | ternary (join "," $value) (toString $value) }}
{{- /* Helm reads numbers as floats: a million would be 1e+06. */}}
{{- if and (kindIs "float64" $value) (eq (floor $value) $value) }}{{ $text = printf "%.0f" $value }}{{ end }}
- {{ printf "--%s=%s" $flag $text | quote }}
{{- end }}
{{- end }}
{{- range .Values.configuration.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}


{{/* Names, annotations and pods of the jobs of the definitions. */}}
{{- define "bowline.definitions" -}}
{{- printf "%s-definitions" (include "bowline.fullname" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "bowline.hook" -}}
helm.sh/hook: {{ join "," .events }}
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "bowline.job" -}}
{{- $values := .root.Values -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ printf "%s-%s" (include "bowline.fullname" .root) .name | trunc 63 | trimSuffix "-" }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "bowline.labels" .root | nindent 4 }}
  annotations: {{- include "bowline.hook" (dict "events" .events "weight" -10) | nindent 4 }}
spec:
  backoffLimit: 3
  activeDeadlineSeconds: 600
  template:
    metadata:
      # Not the labels of the server, whose Service and PodDisruptionBudget must not find this pod.
      labels: {app.kubernetes.io/instance: {{ .root.Release.Name }}, app.kubernetes.io/component: {{ .name }}}
    spec:
      serviceAccountName: {{ include "bowline.definitions" .root }}
      restartPolicy: OnFailure
      {{- with $values.image.imagePullSecrets }}
      imagePullSecrets: {{- range . }}{{ printf "- name: %s" . | nindent 8 }}{{ end }}
      {{- end }}
      securityContext: {{- toYaml $values.podSecurityContext | nindent 8 }}
      containers:
        - name: {{ .name }}
          image: {{ include "bowline.image" .root | quote }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          command: [/bowline]
          args: [{{ join ", " .arguments }}, --namespace, {{ .root.Release.Namespace }}]
          securityContext: {{- toYaml $values.containerSecurityContext | nindent 12 }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

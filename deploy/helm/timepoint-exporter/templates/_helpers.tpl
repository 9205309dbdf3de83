{{/* The chart's name, or what replaces it; a label is at most 63 characters long. */}}
{{- define "timepoint-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
The name of the objects: that of the release, with the chart's unless it is in it. At most 52 characters: Kubernetes puts the
name of a StatefulSet and ten more into a label of its pods, and the time of a run behind the name of a CronJob.
*/}}
{{- define "timepoint-exporter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "timepoint-exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "timepoint-exporter.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The labels by which pods are found. They must never change: those of a StatefulSet cannot. */}}
{{- define "timepoint-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "timepoint-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "timepoint-exporter.labels" -}}
helm.sh/chart: {{ include "timepoint-exporter.chart" . }}
{{ include "timepoint-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ include "timepoint-exporter.name" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of pods: no version and no chart, or each new chart would start them again. */}}
{{- define "timepoint-exporter.podLabels" -}}
{{ include "timepoint-exporter.selectorLabels" . }}
{{- with mergeOverwrite (dict) .Values.commonLabels .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "timepoint-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "timepoint-exporter.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "timepoint-exporter.image" -}}
{{- $image := .Values.image.repository }}
{{- with .Values.image.registry }}{{ $image = printf "%s/%s" . $image }}{{ end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $image .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $image (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The config as it stands in the values: text stays as it is, with its order and its comments. */}}
{{- define "timepoint-exporter.config" -}}
{{- if kindIs "string" .Values.config }}{{ .Values.config }}{{ else }}{{ toYaml .Values.config }}{{ end }}
{{- end }}

{{- define "timepoint-exporter.credentialsName" -}}
{{- default (printf "%s-credentials" (include "timepoint-exporter.fullname" .)) .Values.credentials.existingSecret }}
{{- end }}

{{- define "timepoint-exporter.claimName" -}}
{{- default (include "timepoint-exporter.fullname" .) .Values.persistence.existingClaim }}
{{- end }}

{{/* What cannot work is refused here, with what to do. */}}
{{- define "timepoint-exporter.check" -}}
{{- $v := .Values }}
{{- if not (or $v.config $v.configExistingConfigMapName $v.configExistingSecretName) }}
{{- fail "there is no config: give one with --set-file config=FILE (or the value config), or name one of yours with configExistingConfigMapName or configExistingSecretName" }}
{{- end }}
{{- if and $v.configExistingConfigMapName $v.configExistingSecretName }}
{{- fail "configExistingConfigMapName and configExistingSecretName exclude each other: where is the config?" }}
{{- end }}
{{- if and $v.config (or $v.configExistingConfigMapName $v.configExistingSecretName) }}
{{- fail "config stands in the values, and another one is named by configExistingConfigMapName or configExistingSecretName: which is it?" }}
{{- end }}
{{- if and $v.credentials.existingSecret $v.credentials.data }}
{{- fail "credentials.existingSecret and credentials.data exclude each other: put all of them into your Secret" }}
{{- end }}
{{- if and $v.serviceMonitor.enabled (not $v.service.enabled) }}
{{- fail "a ServiceMonitor needs the Service (service.enabled), or use podMonitor.enabled" }}
{{- end }}
{{- if and $v.serviceMonitor.enabled $v.podMonitor.enabled }}
{{- fail "serviceMonitor.enabled and podMonitor.enabled together scrape the pod twice, and each sum doubles: choose one" }}
{{- end }}
{{- if $v.cronJob.enabled }}
{{- if not $v.persistence.enabled }}
{{- fail "cronJob.enabled needs persistence.enabled: the two pods meet in the volume" }}
{{- end }}
{{- if has "ReadWriteOncePod" $v.persistence.accessModes }}
{{- fail "cronJob.enabled needs a volume that two pods can mount: ReadWriteOnce, not ReadWriteOncePod" }}
{{- end }}
{{- end }}
{{- end }}

<?php
// The length and SHA-256 of the request's body, as this server read it.
$hash = hash_init('sha256');
$bytes = hash_update_stream($hash, fopen('php://input', 'rb'));
header('Content-Type: application/json');
echo json_encode([
    'server' => $_SERVER['DWSR_SERVER'],
    'method' => $_SERVER['REQUEST_METHOD'],
    'bytes' => $bytes,
    'sha256' => hash_final($hash),
]), "\n";
